# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas orchestrator``: what it prints, where, and with which exit status."""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deepaas.cmd.main import main
from deepaas.cmd.orchestrator import main as module
from deepaas.cmd.orchestrator import output
from deepaas.orchestrator.asked import kept_place, load_asked
from deepaas.orchestrator.waiting import NotInTime
from tests.unit.orchestrator.paas import PATIENCE_S, TEMPLATE, UPDATABLE, eventually, paas

NOWHERE = "0b7f1a3c-9f3e-4d7e-8a55-5d3d1c7a9a10"


class Serving:
    """An orchestrator on a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self._folder = folder
        self._is_up = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with paas(self._folder) as there:
            self.url = there.url
            self._is_up.set()
            await self._stop.wait()

    def start(self) -> None:
        self._thread.start()
        assert self._is_up.wait(PATIENCE_S)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    there = Serving(tmp_path_factory.mktemp("paas"))
    there.start()
    yield there
    there.stop()


@pytest.fixture
def place(serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with templates, in which the environment leads to the orchestrator."""
    for name in ("OIDC_ACCOUNT", "OIDC_SOCK", "ORCHESTRATOR_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ORCHESTRATOR_URL", serving.url)
    monkeypatch.setenv("ORCHESTRATOR_TOKEN", "token")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    Path("fixed.yml").write_text(TEMPLATE)
    Path("machine.yml").write_text(UPDATABLE)
    return tmp_path


class Asking:
    """Runs the command, and returns what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.error = ""

    def __call__(self, *argv: str, status: int = 0) -> str:
        self._capsys.readouterr()
        assert main(["orchestrator", *argv]) == status
        told = self._capsys.readouterr()
        self.error = told.err
        return told.out

    def json(self, *argv: str, status: int = 0) -> Any:
        return json.loads(self(*argv, "--json", status=status))


@pytest.fixture
def ask(place: Path, capsys: pytest.CaptureFixture[str]) -> Asking:
    return Asking(capsys)


def test_a_deployment_from_its_creation_to_its_end(ask: Asking) -> None:
    created = ask.json("create", "fixed.yml", "--wait", "--user-group=g", "--deploy-timeout=5")
    uuid = created["uuid"]
    assert ask.error.splitlines()[-1] == f"{uuid} CREATE_COMPLETE"
    shown = ask("show", uuid)
    assert f"UUID:             {uuid}\nStatus:           CREATE_COMPLETE\n" in shown
    assert f"deepaas_endpoint: {created['outputs']['deepaas_endpoint']}\n" in shown
    endpoint = created["outputs"]["deepaas_endpoint"]
    assert ask("show", uuid, "--output=deepaas_endpoint") == f"{endpoint}\n"
    assert ask.json("show", uuid, "--output=url") == endpoint
    assert ask("show", uuid, "--output=other", status=1) == ""
    assert "CREATE_COMPLETE, has no output 'other'" in ask.error
    head, *rows = ask("list", "--created-by=me").splitlines()
    assert head.split() == ["UUID", "STATUS", "CREATED", "PROVIDER"]
    assert any(row.split()[:2] == [uuid, "CREATE_COMPLETE"] for row in rows)
    assert uuid in [one["uuid"] for one in ask.json("list")]
    assert ask("log", uuid) == "app: a note\nlistening\n"
    assert ask.json("log", uuid)["log"].endswith("listening\n")
    ask("update", uuid, "fixed.yml", status=1)
    assert "Use `deepaas orchestrator redeploy`" in ask.error
    assert kept_place(uuid).exists()
    assert ask("delete", uuid, "--wait") == f"Deleted {uuid}.\n"
    assert not kept_place(uuid).exists()
    assert ask.json("wait", uuid)["status"] == "DELETE_COMPLETE"


def test_a_failure_is_a_status_and_a_reason(ask: Asking) -> None:
    shown = ask("create", "fixed.yml", "--wait", "--parameter=command=end", status=1)
    assert "Reason:   'app' ended with status 3: no luck\n" in shown
    uuid = shown.split()[1]
    assert ask("delete", uuid) == f"Deleting {uuid}.\n"
    assert kept_place(uuid).exists()
    other = ask.json("create", "fixed.yml", "--parameter=command=end")["uuid"]
    assert ask.json("delete", other, "--wait") == {"uuid": other, "deleted": True}
    assert ask.json("create", "fixed.yml")["status"] == "CREATE_IN_PROGRESS"


def test_what_can_be_updated_is(ask: Asking) -> None:
    uuid = ask.json("create", "machine.yml", "--wait")["uuid"]
    Path("values.yml").write_text("command: end\n")
    failed = ask.json("update", uuid, "machine.yml", "--parameters=values.yml", "--wait", status=1)
    assert failed["status"] == "UPDATE_FAILED"
    assert load_asked(kept_place(uuid)).parameters == {"command": "end"}


def test_what_is_not_in_time_goes_on(ask: Asking) -> None:
    ask("create", "fixed.yml", "--parameter=command=unready", "--wait", "--timeout=0.3", status=3)
    assert "it has not settled within 0.3 s, and goes on." in ask.error


def test_a_deployment_is_replaced_with_what_it_had(ask: Asking) -> None:
    Path("command").write_text("serve\n")
    old = ask.json("create", "fixed.yml", "--parameter-file=command=command")["uuid"]
    new = ask.json(
        *("redeploy", old, "--parameter=cpus=2", "--sla=agreement", "--wait"),
        *("--keep-last-attempt", "--callback=http://127.0.0.1:1/"),
    )
    assert new["status"] == "CREATE_COMPLETE"
    kept = load_asked(kept_place(new["uuid"]))
    assert (kept.parameters, list(kept.parameter_files)) == ({"cpus": "2"}, ["command"])
    assert kept.options == {"callback": "http://127.0.0.1:1/", "keepLastAttempt": True}
    assert "agreement" in kept.template
    assert sorted(kept_place("x").parent.iterdir()) == [kept_place(new["uuid"])]


def test_what_was_made_elsewhere_needs_its_parameters(ask: Asking, place: Path) -> None:
    old = ask.json("create", "fixed.yml", "--wait")["uuid"]
    kept_place(old).unlink()
    ask("redeploy", old, status=2)
    assert f"The parameters of {old} are not known" in ask.error
    assert ask.json("show", old)["status"] == "CREATE_COMPLETE"
    saved = str(place / "saved")
    new = ask.json("redeploy", old, "--defaults", f"--save={saved}", "--template=machine.yml")
    assert load_asked(Path(saved)).template == UPDATABLE
    third = ask.json("redeploy", new["uuid"])
    kept_place(third["uuid"]).unlink()
    Path("values.yml").write_text("command: serve\n")
    fourth = ask.json("redeploy", third["uuid"], "--parameters=values.yml")
    assert load_asked(kept_place(fourth["uuid"])).template == UPDATABLE
    again = ask.json("create", f"--request={saved}", "--parameter=command=end")
    assert load_asked(kept_place(again["uuid"])).parameters == {"command": "end"}


def test_a_redeployment_that_is_late_says_what_is_kept(
    ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(*given: object) -> None:
        raise NotInTime

    uuid = ask.json("create", "fixed.yml")["uuid"]
    monkeypatch.setattr(module, "redeploy", late)
    ask("redeploy", uuid, status=3)
    assert f"create --request {kept_place(f'redeploy-{uuid}')}" in ask.error


def test_what_cannot_be_kept_is_said_and_does_no_harm(ask: Asking, place: Path) -> None:
    (place / "state").write_text("a file")
    ask("create", "fixed.yml")
    assert "`redeploy` will ask for the parameters." in ask.error


@pytest.mark.parametrize(
    ("argv", "status", "said"),
    [
        (["create"], 2, "give a template, or --request FILE"),
        (["create", "fixed.yml", "--request=x"], 2, "give a template, or --request FILE"),
        (["create", "none.yml"], 2, "none.yml cannot be read: No such file"),
        (["create", "bytes.yml"], 2, "bytes.yml is no text"),
        (["create", "list.yml"], 2, "this is no mapping"),
        (["create", "fixed.yml", "--parameter=x=1"], 2, "no input 'x'"),
        (["show", NOWHERE], 1, f"The deployment <{NOWHERE}> doesn't exist. `deepaas orch"),
        (["delete", NOWHERE], 1, "404 Not Found"),
        (["list", "--url=http://example.org"], 2, "https is needed"),
        (["list", "--token-file=none"], 2, "cannot be read"),
        (["serve-local", "--listen-ip=0.0.0.0", "--state-dir=s"], 2, "is not loopback"),
        (["serve-local", "--token-file=none"], 2, "cannot be read: No such file"),
        (["serve-local", "--token-file=bytes.yml"], 2, "it is no text"),
        (["serve-local", "--token-file=empty"], 2, "is empty"),
    ],
)
def test_what_is_wrong_is_one_line(ask: Asking, argv: list[str], status: int, said: str) -> None:
    Path("bytes.yml").write_bytes(b"\xff")
    Path("list.yml").write_text("- 1\n")
    Path("empty").write_text(" \n")
    assert ask(*argv, status=status) == ""
    assert said in ask.error
    assert ask.error.count("\n") == 1
    assert ask.error.startswith("deepaas orchestrator: ")


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["show", "../x"],
        ["create", "t", "--parameter", "x"],
        ["create", "t", "--deploy-timeout=0"],
        ["wait", "u", "--timeout=soon"],
        ["wait", "u", "--timeout=0"],
        ["wait", "u", "--time=1"],
        ["serve-local", "--image", "x"],
    ],
)
def test_wrong_usage_is_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["orchestrator", *argv])
    assert ended.value.code == 2
    assert "usage: deepaas orchestrator" in capsys.readouterr().err


def test_without_the_extra_it_is_named(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "toscaparser", None)
    ask("serve-local", status=1)
    assert "pip install 'deepaas[tools]'" in ask.error


def test_interrupted_it_ends_with_130(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(coroutine: Any) -> None:
        coroutine.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio, "run", interrupt)
    ask("list", status=130)
    assert ask.error == "deepaas orchestrator: interrupted.\n"


def test_a_reader_that_is_gone_is_no_traceback(
    ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(coroutine: Any) -> None:
        coroutine.close()
        raise BrokenPipeError

    monkeypatch.setattr(asyncio, "run", run)
    monkeypatch.setattr(module, "abandon", lambda stream: None)
    ask("list", status=1)


@pytest.mark.parametrize("token", [["--token-file=token"], []])
async def test_serve_local_ends_at_a_signal(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    token: list[str],
) -> None:
    from deepaas.cmd.orchestrator.options import make_parser

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(place))
    Path("token").write_text("x")
    argv = ["serve-local", "--listen-port=0", "--image=a/b=model.py", "--image=c/d=name"]
    options = make_parser().parse_args([*argv, *token])
    assert options.image == [("a/b", str(place / "model.py")), ("c/d", "name")]
    serving = asyncio.create_task(module._run(options))
    told = said = ""

    async def listens() -> bool:
        nonlocal told, said
        read = capsys.readouterr()
        told, said = told + read.out, said + read.err
        return "Ctrl-C ends them all" in told

    await eventually(listens)
    assert str(place / ".local/state/deepaas/orchestrator") in told
    os.kill(os.getpid(), signal.SIGTERM)
    assert await serving == 0
    warned, _, ending = (said + capsys.readouterr().err).rpartition("deepaas orchestrator: ")
    assert ending.startswith("ending all deployments")
    assert ("any token signs in" in warned) == (not token)


def test_a_hostile_answer_steers_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = {"uuid": "\x1b[2J\n\u202e", "outputs": {"\x1b]0;x\x07": {"a": "\x9b"}}, "status": 1}
    output.print_deployment(hostile)
    output.print_deployment({"outputs": None})
    output.print_table([hostile])
    output.print_json(hostile)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    output.print_text("a\x1b[2Jb")
    output.print_text("")
    output.say("\x1b[2J")
    told = capsys.readouterr()
    assert not set(told.out + told.err) & set("\x1b\x07\x9b\u202e")
    assert "a[2Jb\n" in told.out


def test_a_terminal_gets_one_line_of_progress(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = output.Progress()
    progress.end()
    for status in ("ONE", "ONE", "TWO" + "x" * 200):
        progress.look({"uuid": "u", "status": status, "statusReason": "\x1bwhy"})
    progress.end()
    one, two = capsys.readouterr().err.split("\r\x1b[K")[1:]
    assert one == "u ONE  why"
    assert two.startswith("u TWOx")
    assert len(two.rstrip("\n")) == 79
    monkeypatch.setattr(os, "get_terminal_size", lambda fd: os.terminal_size((11, 5)))
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2)
    output.Progress().look({"uuid": "u", "status": "x" * 50})
    assert capsys.readouterr().err == "\r\x1b[Ku xxxxxxxx"
