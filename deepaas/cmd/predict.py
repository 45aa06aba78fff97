# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas-predict``: one file in, one file out; what serverless platforms call."""

import mimetypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from deepaas.cmd import method
from deepaas.cmd.arguments import make_input
from deepaas.cmd.fetching import fetch_file
from deepaas.cmd.supervisor import run_in_child
from deepaas.config import PredictSettings, load_predict_settings
from deepaas.errors import ConfigurationError
from deepaas.execution.worker import warm_model
from deepaas.model.adapter import load_model
from deepaas.model.encoding import EncodedAnswer
from deepaas.records import Argument

PROG = "deepaas-predict"


def main(argv: Sequence[str] | None = None) -> int:
    """Predict a file.

    Returns:
        0: done; 1: the model failed; 2: the command line is wrong; 128 + n: ended by signal n.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        load_predict_settings(given)
        return run_in_child(PROG, given)
    except ConfigurationError as exc:
        print(f"{PROG}: {exc.message}", file=sys.stderr)
        return method.EXIT_USAGE


def run_here(argv: Sequence[str], folder: Path) -> int:
    """Do it in this process; ``folder`` takes the copy of the file."""

    def run(result: BinaryIO) -> None:
        settings = load_predict_settings(argv)
        method.begin_log(settings.log, settings.warnings)
        input_file = Path(settings.input_file)
        if settings.is_url:
            input_file = fetch_file("-i", settings.input_file, settings.fetching, folder)
        answer = _predict(settings, input_file, folder)
        path = output_path(settings.output, input_file, answer)
        method.write_file(answer, path)
        result.write(f"Output saved at {path}\n".encode())

    return method.run_guarded(PROG, run)


def _predict(settings: PredictSettings, input_file: Path, folder: Path) -> EncodedAnswer:
    adapter = load_model(method.choose_source(settings.model_names))
    declared = adapter.predict_parser.arguments
    texts = {file_argument(declared).wire_name: [str(input_file)]}
    accept = next((each for each in declared if each.name == "accept"), None)
    if accept is not None:
        wanted = settings.content_type or method.JSON
        if settings.content_type is not None or wanted in (accept.choices or ()):
            texts[accept.wire_name] = [wanted]
    elif settings.content_type not in (None, method.JSON):
        raise ConfigurationError(
            f"-c {settings.content_type}: the model gives {method.JSON} only; it declares no"
            " argument 'accept'."
        )
    arguments = adapter.predict_parser.parse(make_input(declared, texts, folder))
    if settings.warm:
        warm_model(adapter)
    return method.predict(adapter, arguments)


def file_argument(declared: Sequence[Argument]) -> Argument:
    """Return the argument that takes the file: the only one, or the only one that is required.

    Raises:
        ConfigurationError: There is none, or it is not clear which.
    """
    files = [argument for argument in declared if argument.is_file]
    if not files:
        raise ConfigurationError("The model takes no file.")
    if len(files) > 1:
        files = [argument for argument in files if argument.required] or files
    if len(files) > 1:
        names = ", ".join(argument.name for argument in files)
        raise ConfigurationError(
            f"The model takes several files: {names}. Use deepaas-cli predict."
        )
    return files[0]


def output_path(output: str, input_file: Path, answer: EncodedAnswer) -> Path:
    """Return where the answer goes; in a folder it is named after the input, or by the model."""
    path = Path(output)
    if not (output.endswith(os.sep) or path.is_dir()):
        return path
    if answer.filename:
        return path / answer.filename
    suffix = mimetypes.guess_extension(answer.content_type) or ".bin"
    return path / f"out_{input_file.stem}{suffix}"


if __name__ == "__main__":
    sys.exit(main())
