# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The servers that are measured: how each is started and spoken to, and what it cannot do."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from benchmarks.workloads import Kind, Workload
from deepaas.auth.keys import make_key

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"
BOUNDARY = "benchmark-boundary"


@dataclass(frozen=True)
class Call:
    """A request without its upload."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    def head(self, length: int) -> bytes:
        """Return the head of the request in HTTP/1.1."""
        lines = [f"POST {self.path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode()

    @property
    def raw(self) -> bytes:
        """The whole request."""
        return self.head(len(self.body)) + self.body


def _plain(model: str, arguments: Mapping[str, Any]) -> Any:
    return arguments


def _nested(model: str, arguments: Mapping[str, Any]) -> Any:
    return {"input": arguments}


def _listed(model: str, arguments: Mapping[str, Any]) -> Any:
    # What BentoML can batch takes and returns lists.
    return {"number": [arguments["number"]]} if model == "batch" else arguments


@dataclass(frozen=True)
class Contender:
    """One server."""

    name: str
    title: str
    #: From interpreter, model and port to the command line.
    command: Callable[[str, str, int], list[str]]
    #: With ``{model}`` for its name.
    path: str = "/predict"
    health: str = "/health"
    #: From the model's name and its arguments to the JSON body.
    wrap: Callable[[str, Mapping[str, Any]], Any] = _plain
    #: Model, or workload, to the reason for which it is not measured.
    cannot: Mapping[str, str] = field(default_factory=dict)
    #: Added to the environment; ``{model}`` and ``{port}`` are filled in.
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Sent with every call.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Sent with a call of the model ``stream``.
    stream_accept: str = "*/*"
    is_peer: bool = True
    #: The models that it is measured with; empty: all.
    only: tuple[str, ...] = ()

    def call(self, model: str, arguments: Mapping[str, Any]) -> Call:
        """Make the request for arguments that travel as JSON."""
        headers = {"Content-Type": "application/json", **self.headers}
        if model == "stream":
            headers["Accept"] = self.stream_accept
        body = orjson.dumps(self.wrap(model, arguments))
        return Call(self.path.format(model=model), headers, body)

    def upload(self, model: str) -> tuple[Call, bytes, bytes]:
        """Make the request for an upload, and what stands before and after its content."""
        before = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="data"; filename="data.bin"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", **self.headers}
        after = f"\r\n--{BOUNDARY}--\r\n".encode()
        return Call(self.path.format(model=model), headers, b""), before, after


def _module(name: str) -> Callable[[str, str, int], list[str]]:
    return lambda python, model, port: [python, "-m", name, model, str(port)]


def _program(peer: str) -> Callable[[str, str, int], list[str]]:
    file = str(PEERS / peer / "server.py")
    return lambda python, model, port: [python, file, model, str(port)]


def _ours(python: str, model: str, port: int) -> list[str]:
    return [
        *(python, "-m", "deepaas.cmd.run", f"--listen-port={port}", "--state-dir=state"),
        f"--model-name=benchmarks.deepaas_models:{model}",
    ]


def _guarded(python: str, model: str, port: int) -> list[str]:
    return [*_ours(python, model, port), "--use-json"]


def _watched(python: str, model: str, port: int) -> list[str]:
    return [*_guarded(python, model, port), "--access-log"]


def _deepaas2(python: str, model: str, port: int) -> list[str]:
    run = str(Path(python).with_name("deepaas-run"))
    return [run, "--listen-ip=127.0.0.1", f"--listen-port={port}", f"--model-name={model}"]


def _bentoml(python: str, model: str, port: int) -> list[str]:
    folder = f"--working-dir={PEERS / 'bentoml'}"
    where = (f"--port={port}", "--host=127.0.0.1")
    return [str(Path(python).with_name("bentoml")), "serve", f"server:{model}", folder, *where]


#: Who has trainings.
_TRAINS = ("ours", "deepaas2")
_NO_BATCHING = "it has no batching"
_DEEPAAS_PATH = "/v2/models/{model}/predict/"
_UNTRACKED = {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": "."}

IN_PROCESS = Contender(
    "in-process", "in-process", _module("benchmarks.limits.in_process"), is_peer=False
)
#: What the ratios are to.
LIMIT = Contender("limit", "one worker", _module("benchmarks.limits.one_worker"), is_peer=False)
OURS = Contender(
    "ours",
    "DEEPaaS",
    _ours,
    path=_DEEPAAS_PATH,
    health="/v2/health/live",
    stream_accept="application/x-ndjson",
    is_peer=False,
)
_KEY, _ = make_key("benchmark")
#: Ours, where callers sign in, with metrics, which are always on, and a log in JSON.
GUARDED = replace(
    OURS,
    name="guarded",
    title="DEEPaaS, guarded",
    command=_guarded,
    environment={"DEEPAAS_API_KEYS": f"benchmark {_KEY} role=predict"},
    headers={"X-API-Key": _KEY},
    only=("noop",),
)
#: The same, and telling of each request.
WATCHED = replace(GUARDED, name="watched", title="DEEPaaS, watched", command=_watched)
CONTENDERS = (
    IN_PROCESS,
    LIMIT,
    OURS,
    GUARDED,
    WATCHED,
    Contender(
        "deepaas2",
        "DEEPaaS 2.6.0",
        _deepaas2,
        path=_DEEPAAS_PATH,
        health="/v2/",
        cannot={
            "batch": _NO_BATCHING,
            "stream": "it has no streams",
            "train-list-100000": "it would have to run them all",
            "train-resume": "it forgets its trainings",
            "train-followers": "it has no logs to follow",
        },
    ),
    Contender("fastapi", "FastAPI", _program("fastapi"), cannot={"batch": _NO_BATCHING}),
    Contender("litserve", "LitServe", _program("litserve")),
    Contender(
        "bentoml", "BentoML", _bentoml, health="/livez", wrap=_listed, environment=_UNTRACKED
    ),
    Contender(
        "cog",
        "Cog",
        lambda python, model, port: [python, "-m", "cog.server.http", "--host=127.0.0.1"],
        path="/predictions",
        health="/health-check",
        wrap=_nested,
        environment={
            "COG_PREDICT_TYPE_STUB": f"{PEERS / 'cog' / 'server.py'}:{{model}}",
            # More than there are clients: a slot is free a moment after its answer.
            "COG_MAX_CONCURRENCY": "128",
            "PORT": "{port}",
        },
        cannot={
            "raw": "its inputs cannot be nested lists",
            "floats": "its inputs cannot be nested lists",
            "file": "it takes files as URLs only",
            "batch": _NO_BATCHING,
            "stream": "it streams events of a prediction, not items alone",
        },
    ),
)


def select(peers: str | None) -> list[Contender]:
    """Choose the peers by comma-separated names; ``None``: all; the limits and ours always stay.

    Raises:
        ValueError: There is no such peer.
    """
    known = [each.name for each in CONTENDERS if each.is_peer]
    wanted = known if peers is None else [name.strip() for name in peers.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"There is no peer {unknown[0]!r}; there are {', '.join(known)}.")
    return [each for each in CONTENDERS if not each.is_peer or each.name in wanted]


def reason_against(contender: Contender, workload: Workload) -> str | None:
    """Say why a server does not take part in a workload, ``None`` if it does."""
    if workload.kind is Kind.TRAININGS and contender.name not in _TRAINS:
        return "it has no trainings"
    if contender.only and workload.model not in contender.only:
        return "it is measured with the smallest call alone"
    return contender.cannot.get(workload.name) or contender.cannot.get(workload.model)


def interpreter(contender: Contender, environments: Path) -> str:
    """Return the interpreter that runs a server: this one for ours, a peer's own for a peer."""
    if not contender.is_peer:
        return sys.executable
    return os.fspath(environments / contender.name / "bin" / "python")
