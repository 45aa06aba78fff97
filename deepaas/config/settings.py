# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The options of each command as one frozen record, checked."""

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import Any

from deepaas.config.fetching import FETCH_OPTIONS, FetchSettings, fetch_settings
from deepaas.config.guards import GuardSettings, guard_settings
from deepaas.config.obsolete import CLI_FLAGS, LOG_FLAGS
from deepaas.config.oidc import OidcSettings, oidc_settings
from deepaas.config.openwhisk import EVERYWHERE, find_openwhisk
from deepaas.config.options import (
    CLI_OPTIONS,
    FILE_OPTIONS,
    LOG_OPTIONS,
    MODEL_OPTIONS,
    PREDICT_OPTIONS,
    SERVER_OPTIONS,
)
from deepaas.config.reading import read_options
from deepaas.config.sign_in import SignInSettings, read_sign_in
from deepaas.config.storage import StorageSettings, storage_settings
from deepaas.config.units import age, size
from deepaas.config.watching import WatchingSettings, watching
from deepaas.errors import ConfigurationError
from deepaas.records import LogSettings

#: Names a model as in version 2; any other way of saying it wins.
_MODEL_VARIABLE = "DEEPAAS_V2_MODEL"
#: Segments of unreserved characters (RFC 3986, section 2.3): nothing that a router or a link reads
#: as anything else.
_BASE_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_DEVICE = re.compile(r"cpu|cuda:\d{1,3}")
#: A beginning and an end, and between them what is missing.
_MIN_LOG_BYTES = 64 * 1024
_METHODS = (
    "A method follows: get_metadata, warm, predict, train or evaluate, and behind it the arguments"
    " of the model; `deepaas-cli predict --help` lists them. Without a method it is get_metadata."
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of ``deepaas-run``; paths absolute, times in seconds, sizes in bytes."""

    listen_ip: str
    listen_port: int
    listen_early: bool
    base_path: str
    model_names: tuple[str, ...]
    workers: int
    devices: tuple[str, ...]
    max_queue: int
    predict_max_jobs: int
    timeout_s: float
    kill_abandoned: bool
    worker_memory_bytes: int
    reload: bool
    client_max_bytes: int
    form_max_parts: int
    form_max_fields: int
    form_max_text_bytes: int
    warm: bool
    predict_endpoint: bool
    train_endpoint: bool
    doc_endpoint: bool
    debug_endpoint: bool
    hide_model_errors: bool
    state_dir: Path
    #: Else it is the usual one, which a container may not be able to write.
    state_dir_is_named: bool
    train_workers: int
    train_max_log_bytes: int
    #: ``None`` and 0: no limit.
    jobs_max_age: timedelta | None
    jobs_max_count: int
    jobs_max_bytes: int
    jobs_min_free_bytes: int
    cancel_grace_s: float
    keep_trainings: bool
    promote_in_place: bool
    rewarm_after_train: bool
    shutdown_grace_s: float
    fetching: FetchSettings
    guards: GuardSettings
    oidc: OidcSettings
    sign_in: SignInSettings
    storage: StorageSettings
    watching: WatchingSettings
    #: Whether OpenWhisk runs the server, and is listened to.
    openwhisk: bool
    log: LogSettings
    #: For the log, once it is set up.
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CliSettings:
    """The options of ``deepaas-cli``, those before the method."""

    model_names: tuple[str, ...]
    warm: bool
    #: ``None`` for standard output.
    output: Path | None
    #: Whether the model runs in a process of its own.
    own_process: bool
    #: ``None`` for a new folder in the current one.
    artifact_dir: Path | None
    #: ``None`` for the package as installed.
    model_dir: Path | None
    fetching: FetchSettings
    log: LogSettings
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PredictSettings:
    """The options of ``deepaas-predict``."""

    model_names: tuple[str, ...]
    warm: bool
    #: A path, or an address if :attr:`is_url`.
    input_file: str
    is_url: bool
    #: As given: a slash at its end says that it is a folder.
    output: str
    #: ``None`` for what the model gives by itself.
    content_type: str | None
    fetching: FetchSettings
    log: LogSettings
    warnings: tuple[str, ...] = ()


def load_settings(argv: Sequence[str]) -> Settings:
    """Read the options of ``deepaas-run``.

    Raises:
        ConfigurationError: A value cannot be used; the message names the option and the value.
        SystemExit: The command line asked for help or the version only.
    """
    options = (*MODEL_OPTIONS, *SERVER_OPTIONS, *LOG_OPTIONS)
    reading = read_options(
        options, argv, prog="deepaas-run", in_files=FILE_OPTIONS, without_meaning=LOG_FLAGS
    )
    values = reading.values
    action_port = find_openwhisk(values)
    return Settings(
        listen_ip=values["listen_ip"] if action_port is None else EVERYWHERE,
        listen_port=values["listen_port"] if action_port is None else action_port,
        listen_early=values["listen_early"],
        base_path=_base_path(values["base_path"]),
        model_names=model_names_of(values),
        workers=values["workers"],
        devices=_devices(values["devices"]),
        max_queue=values["predict_max_queue"],
        predict_max_jobs=values["predict_max_jobs"],
        timeout_s=_seconds("predict-timeout", values["predict_timeout"]),
        kill_abandoned=values["predict_kill_abandoned"],
        worker_memory_bytes=values["worker_max_memory"],
        reload=_reload(values),
        client_max_bytes=values["client_max_size"],
        form_max_parts=values["form_max_parts"],
        form_max_fields=values["form_max_fields"],
        form_max_text_bytes=values["form_max_text"],
        warm=values["warm"],
        predict_endpoint=values["predict_endpoint"],
        train_endpoint=values["train_endpoint"],
        doc_endpoint=values["doc_endpoint"],
        debug_endpoint=values["debug_endpoint"],
        hide_model_errors=values["hide_model_errors"],
        state_dir=_state_dir(values["state_dir"]),
        state_dir_is_named=bool(values["state_dir"]),
        train_workers=values["train_workers"] or max(values["workers"], 1),
        train_max_log_bytes=_max_log(values["train_max_log"]),
        jobs_max_age=age("jobs-max-age", values["jobs_max_age"]),
        jobs_max_count=values["jobs_max_count"],
        jobs_max_bytes=size("jobs-max-size", values["jobs_max_size"]),
        jobs_min_free_bytes=size("jobs-min-free", values["jobs_min_free"]),
        cancel_grace_s=_seconds("cancel-grace", values["cancel_grace"]),
        keep_trainings=values["keep_trainings"],
        promote_in_place=values["promote_in_place"],
        rewarm_after_train=values["rewarm_after_train"],
        shutdown_grace_s=_seconds("shutdown-grace", values["shutdown_grace"]),
        fetching=fetch_settings(values),
        guards=guard_settings(values),
        oidc=oidc_settings(values),
        sign_in=read_sign_in(values),
        storage=storage_settings(values),
        watching=watching(values),
        log=log_of(values, "deepaas-run"),
        openwhisk=action_port is not None,
        warnings=reading.warnings,
    )


def load_cli_settings(argv: Sequence[str]) -> CliSettings:
    """Read the options of ``deepaas-cli``; raises as :func:`load_settings` does."""
    options = (*MODEL_OPTIONS, *CLI_OPTIONS, *FETCH_OPTIONS, *LOG_OPTIONS)
    reading = read_options(
        options,
        argv,
        prog="deepaas-cli",
        in_files=FILE_OPTIONS,
        without_meaning=CLI_FLAGS,
        epilog=_METHODS,
    )
    values = reading.values
    model_dir = _path(values["deepaas_model_dir"])
    if model_dir is not None and not model_dir.is_dir():
        raise ConfigurationError(f"--deepaas_model_dir: there is no folder {str(model_dir)!r}.")
    return CliSettings(
        model_names=model_names_of(values),
        warm=values["warm"],
        output=_path(values["deepaas_method_output"]),
        own_process=values["deepaas_with_multiprocessing"],
        artifact_dir=_path(values["deepaas_artifact_dir"]),
        model_dir=model_dir,
        fetching=fetch_settings(values),
        log=log_of(values, "deepaas-cli"),
        warnings=reading.warnings,
    )


def load_predict_settings(argv: Sequence[str]) -> PredictSettings:
    """Read the options of ``deepaas-predict``; raises as :func:`load_settings` does."""
    options = (*PREDICT_OPTIONS, *MODEL_OPTIONS, *FETCH_OPTIONS, *LOG_OPTIONS)
    # Old scripts write the short form with two letters.
    given = ["--content-type" if text == "-ct" else text for text in argv]
    reading = read_options(
        options, given, prog="deepaas-predict", in_files=FILE_OPTIONS, without_meaning=LOG_FLAGS
    )
    values = reading.values
    for name, option in (("input_file", "-i"), ("output", "-o")):
        if not values[name]:
            raise ConfigurationError(f"{option} is missing: -i FILE -o FILE.")
    input_file = values["input_file"]
    if not values["url"] and not Path(input_file).is_file():
        raise ConfigurationError(f"-i: there is no file {input_file!r}.")
    return PredictSettings(
        model_names=model_names_of(values),
        warm=values["warm"],
        input_file=input_file,
        is_url=values["url"],
        output=values["output"],
        content_type=values["content_type"] or None,
        fetching=fetch_settings(values),
        log=log_of(values, "deepaas-predict"),
        warnings=reading.warnings,
    )


def model_names_of(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the models that the options of every command, or the environment, name."""
    text = values["model_name"] or os.environ.get(_MODEL_VARIABLE, "")
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _seconds(option: str, value: float) -> float:
    if not math.isfinite(value):
        raise ConfigurationError(f"{option} is {value}; it must be a finite number of seconds.")
    return value


def _max_log(value: int) -> int:
    if 0 < value < _MIN_LOG_BYTES:
        raise ConfigurationError(
            f"train-max-log is {value}; it must be {_MIN_LOG_BYTES} bytes or more, or 0 for no cap."
        )
    return value


def _devices(text: str) -> tuple[str, ...]:
    devices = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in devices:
        if not _DEVICE.fullmatch(name):
            raise ConfigurationError(
                f"devices is {text!r}; {name!r} is no device: cpu, or cuda:0, cuda:1 …"
            )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = None if visible is None else len([name for name in visible.split(",") if name])
    for name in devices:
        if count is not None and name != "cpu" and int(name.partition(":")[2]) >= count:
            raise ConfigurationError(
                f"devices is {text!r}; there is no {name}: CUDA_VISIBLE_DEVICES is {visible!r}."
            )
    return devices


def _reload(values: Mapping[str, Any]) -> bool:
    if values["reload"] and values["workers"] == 0:
        raise ConfigurationError(
            "reload needs workers: a model in the server's own process cannot be loaded anew;"
            " use --workers 1, or leave --reload out."
        )
    return bool(values["reload"])


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


def _path(value: str) -> Path | None:
    return Path(value).expanduser().absolute() if value else None


def _state_dir(value: str) -> Path:
    if value:
        try:
            return Path(value).expanduser().absolute()
        except RuntimeError as exc:
            raise ConfigurationError(
                f"state-dir is {value!r}, and that home directory is not known; give an absolute"
                " path."
            ) from exc
    state_home = os.environ.get("XDG_STATE_HOME", "")
    # A relative path there is to be ignored (XDG Base Directory Specification).
    if os.path.isabs(state_home):
        return Path(state_home) / "deepaas"
    try:
        home = Path.home()
    except RuntimeError:
        home = Path("/")  # as container engines say for a user whom the image does not know
    return home.absolute() / ".local/state/deepaas"


def log_of(values: Mapping[str, Any], prog: str) -> LogSettings:
    """Return the settings of the log; raises as :func:`load_settings` does."""
    folder, name = values["log_dir"], values["log_file"]
    file = _path(os.path.join(folder, name or f"{prog}.log")) if folder or name else None
    facility = values["syslog_log_facility"].lower().removeprefix("log_")
    if facility not in SysLogHandler.facility_names:
        raise ConfigurationError(
            f"syslog-log-facility is {values['syslog_log_facility']!r}; it must be one of"
            f" {', '.join(sorted(SysLogHandler.facility_names))}."
        )
    return LogSettings(
        debug=values["debug"],
        file=None if file is None else str(file),
        config_file=str(_path(values["log_config_append"]) or "") or None,
        date_format=values["log_date_format"] or None,
        use_syslog=values["use_syslog"],
        syslog_facility=facility,
        use_journal=values["use_journal"],
        use_json=values["use_json"],
    )
