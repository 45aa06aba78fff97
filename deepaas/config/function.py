# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The options of ``deepaas function``; what they leave open, the environment says."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from oslo_config import cfg

from deepaas.config.fetching import FETCH_OPTIONS, FetchSettings, fetch_settings
from deepaas.config.obsolete import LOG_FLAGS
from deepaas.config.options import FILE_OPTIONS, LOG_OPTIONS, MODEL_OPTIONS
from deepaas.config.reading import read_options
from deepaas.config.settings import log_of, model_names_of
from deepaas.config.units import size
from deepaas.records import LogSettings

#: Where faas-supervisor collects outputs.
OUTPUT_VARIABLE: Final = "TMP_OUTPUT_DIR"

FUNCTION_OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "event",
        metavar="FILE",
        default="",
        help="File with the event, - for standard input. Empty: what the environment variables of"
        " faas-supervisor say, or else standard input.",
    ),
    cfg.StrOpt(
        "input",
        short="i",
        metavar="PATH",
        default="",
        help="The object, a zip archive or a folder of objects; a folder may hold those that the"
        " event names. Empty: the environment variable INPUT_FILE_PATH.",
    ),
    cfg.StrOpt(
        "output-dir",
        short="o",
        metavar="DIR",
        default="",
        help="Folder for the outputs. Empty: the environment variable TMP_OUTPUT_DIR; without"
        " either, standard output.",
    ),
    cfg.StrOpt(
        "method",
        choices=["predict", "train"],
        default="predict",
        help="What the model does with each object.",
    ),
    cfg.StrOpt(
        "content-type",
        short="c",
        metavar="TYPE",
        default="",
        help="Media type of the answers, one that the model offers, where an object asks for none.",
    ),
    cfg.StrOpt(
        "archives",
        choices=["auto", "unpack", "keep"],
        default="auto",
        help="What a zip archive is: objects to unpack, or a file that the model takes as it is."
        " auto: the latter where the name or description of the model's file says zip.",
    ),
    cfg.StrOpt(
        "max-unpacked",
        metavar="SIZE",
        default="2GB",
        help="The most that an archive may be when it is unpacked. Empty or 0: no limit.",
    ),
)


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """The options of ``deepaas function``; paths absolute."""

    model_names: tuple[str, ...]
    warm: bool
    #: ``-`` for standard input, ``None`` where the environment says it.
    event: str | None
    input: Path | None
    #: ``None``: standard output.
    output_dir: Path | None
    #: ``predict`` or ``train``.
    method: str
    content_type: str | None
    #: ``auto``, ``unpack`` or ``keep``.
    archives: str
    #: 0: no limit.
    max_unpacked_bytes: int
    fetching: FetchSettings
    log: LogSettings
    warnings: tuple[str, ...] = ()


def load_function_settings(argv: Sequence[str]) -> FunctionSettings:
    """Read the options.

    Raises:
        ConfigurationError: A value cannot be used; the message names the option and the value.
        SystemExit: The command line asked for help or the version only.
    """
    options = (*FUNCTION_OPTIONS, *MODEL_OPTIONS, *FETCH_OPTIONS, *LOG_OPTIONS)
    reading = read_options(
        options, argv, prog="deepaas function", in_files=FILE_OPTIONS, without_meaning=LOG_FLAGS
    )
    values = reading.values
    return FunctionSettings(
        model_names=model_names_of(values),
        warm=values["warm"],
        event=values["event"] or None,
        input=_path(values["input"]),
        output_dir=_path(values["output_dir"] or os.environ.get(OUTPUT_VARIABLE, "")),
        method=values["method"],
        content_type=values["content_type"] or None,
        archives=values["archives"],
        max_unpacked_bytes=size("max-unpacked", values["max_unpacked"]),
        fetching=fetch_settings(values),
        log=log_of(values, "deepaas-function"),
        warnings=reading.warnings,
    )


def _path(text: str) -> Path | None:
    return Path(text).expanduser().absolute() if text else None
