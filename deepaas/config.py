# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every option, declared once; read once into a frozen :class:`Settings`."""

import io
import math
import os
import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path

from oslo_config import cfg

from deepaas import __version__
from deepaas.errors import ConfigurationError

#: What existing deployments use: ``deepaas.conf``, and ``OS_DEFAULT__LISTEN_PORT`` and so on.
PROJECT = "deepaas"

#: Segments of unreserved characters (RFC 3986, section 2.3): nothing that a router or a link reads
#: as anything else.
_BASE_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")

_OPTIONS: list[cfg.Opt] = [
    cfg.StrOpt(
        "listen-ip",
        default="127.0.0.1",
        help="Address to listen on; 0.0.0.0 or :: for every interface.",
    ),
    cfg.PortOpt("listen-port", default=5000, help="Port to listen on."),
    cfg.StrOpt(
        "base-path",
        default="",
        help="Prefix of every route and link; must start with a slash.",
    ),
    cfg.StrOpt(
        "model-name",
        default="",
        help="Models to serve, comma-separated: names of entry points, package.module:object,"
        " or paths of Python files. Empty: every installed model.",
    ),
    cfg.IntOpt(
        "workers",
        short="p",
        default=1,
        min=1,
        help="Processes per model that predict.",
    ),
    cfg.IntOpt(
        "client-max-size",
        default=0,
        min=0,
        help="Largest body of a request in bytes; 0: no limit.",
    ),
    cfg.BoolOpt("warm", default=True, help="Call warm() before serving and before training."),
    cfg.BoolOpt("predict-endpoint", default=True, help="Offer predictions."),
    cfg.BoolOpt("train-endpoint", default=True, help="Offer trainings."),
    cfg.StrOpt(
        "state-dir",
        default="",
        help="Directory that keeps trainings and what they make. Empty: deepaas in"
        " $XDG_STATE_HOME, or in ~/.local/state.",
    ),
    cfg.IntOpt(
        "train-workers",
        default=1,
        min=1,
        help="Trainings that run at once, counting those of other servers on the same"
        " state-dir that serve the same models.",
    ),
    cfg.FloatOpt(
        "cancel-grace",
        default=5.0,
        min=0.0,
        help="Seconds that a training gets to end after SIGTERM, before SIGKILL.",
    ),
    cfg.BoolOpt(
        "keep-trainings",
        default=False,
        help="Let running trainings go on when the server ends; the next one follows them.",
    ),
    cfg.FloatOpt(
        "shutdown-grace",
        default=5.0,
        min=0.0,
        help="Seconds that running predictions get when the server ends.",
    ),
    cfg.BoolOpt("debug", short="d", default=False, help="Log more."),
]


@dataclass(frozen=True, slots=True)
class Settings:
    """The options' values, checked; paths absolute, times in seconds, sizes in bytes."""

    listen_ip: str
    listen_port: int
    base_path: str
    model_names: tuple[str, ...]
    workers: int
    client_max_bytes: int
    warm: bool
    predict_endpoint: bool
    train_endpoint: bool
    state_dir: Path
    train_workers: int
    cancel_grace_s: float
    keep_trainings: bool
    shutdown_grace_s: float
    debug: bool


def list_opts() -> list[tuple[str | None, list[cfg.Opt]]]:
    """Return every option by group, for oslo.config's generator and for the documentation."""
    return [(None, list(_OPTIONS))]


def load_settings(argv: Sequence[str]) -> Settings:
    """Read command line, environment and files, in this order of precedence from the top.

    Raises:
        ConfigurationError: A value cannot be used; the message names the option and the value.
        SystemExit: The command line is wrong (2), or only asked for help or the version (0).
    """
    conf = cfg.ConfigOpts()
    conf.register_cli_opts(_OPTIONS)
    try:
        _parse(conf, argv)
        return _settings(conf)
    except cfg.ConfigFileParseError as exc:
        raise ConfigurationError(f"{exc.config_file}: {exc.msg}") from exc
    except cfg.ConfigSourceValueError as exc:
        raise ConfigurationError(_wrong_variable() or str(exc)) from exc
    except (cfg.Error, ValueError) as exc:
        raise ConfigurationError(str(exc)) from exc


def _parse(conf: cfg.ConfigOpts, argv: Sequence[str]) -> None:
    """Let oslo.config parse; it prints a wrong value and exits with 1, where we raise."""
    printed = io.StringIO()
    try:
        with redirect_stderr(printed):
            conf(list(argv), project=PROJECT, prog="deepaas-run", version=__version__)
    except SystemExit as exc:
        if exc.code == 1:
            raise ConfigurationError(printed.getvalue().strip()) from exc
        sys.stderr.write(printed.getvalue())
        raise


def _wrong_variable() -> str | None:
    """Say which environment variable has which wrong value; oslo.config tells half of it."""
    for opt in _OPTIONS:
        variable = f"OS_DEFAULT__{opt.dest.upper()}"
        value = os.environ.get(variable, str(opt.default))
        try:
            opt.type(value)
        except ValueError as exc:
            return f"{variable} is {value!r}, a wrong value for {opt.name}: {exc}."
    return None


def _settings(conf: cfg.ConfigOpts) -> Settings:
    # Each value is read here, since oslo.config finds a bad one only when it is read.
    return Settings(
        listen_ip=conf.listen_ip,
        listen_port=conf.listen_port,
        base_path=_base_path(conf.base_path),
        model_names=tuple(name.strip() for name in conf.model_name.split(",") if name.strip()),
        workers=conf.workers,
        client_max_bytes=conf.client_max_size,
        warm=conf.warm,
        predict_endpoint=conf.predict_endpoint,
        train_endpoint=conf.train_endpoint,
        state_dir=_state_dir(conf.state_dir),
        train_workers=conf.train_workers,
        cancel_grace_s=_seconds("cancel-grace", conf.cancel_grace),
        keep_trainings=conf.keep_trainings,
        shutdown_grace_s=_seconds("shutdown-grace", conf.shutdown_grace),
        debug=conf.debug,
    )


def _seconds(option: str, value: float) -> float:
    if not math.isfinite(value):
        raise ConfigurationError(f"{option} is {value}; it must be a finite number of seconds.")
    return value


def _base_path(value: str) -> str:
    if value and not value.startswith("/"):
        raise ConfigurationError(
            f"base-path is {value!r}; it must start with a slash, as in '/{value}'."
        )
    if not _BASE_PATH.fullmatch(value):
        raise ConfigurationError(
            f"base-path is {value!r}; between single slashes it may have letters, digits and -._~"
        )
    return value.rstrip("/")


def _state_dir(value: str) -> Path:
    home = os.environ.get("XDG_STATE_HOME", "")
    try:
        if value:
            return Path(value).expanduser().absolute()
        # A relative path there is to be ignored (XDG Base Directory Specification).
        base = Path(home) if os.path.isabs(home) else Path("~/.local/state").expanduser()
    except RuntimeError as exc:
        raise ConfigurationError(
            f"state-dir is {value!r}, and the home directory is not known; give an absolute path."
        ) from exc
    return base.absolute() / "deepaas"
