# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Run one function of a model in this process, and say what went wrong.

Standard output belongs to the result: whatever the model prints, in Python or below it, goes to
standard error.
"""

import json
import logging
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from deepaas.cmd.arguments import HelpAsked
from deepaas.errors import (
    ConfigurationError,
    InvalidAnswer,
    InvalidArguments,
    InvalidInput,
    ModelLoadError,
    NotImplementedByModel,
)
from deepaas.execution.failures import failure_of
from deepaas.execution.output import flush_c, write_each_line, write_each_line_of_c
from deepaas.execution.training import Cancelled
from deepaas.model.adapter import ModelAdapter
from deepaas.model.arguments import display
from deepaas.model.discovery import authors_part, select_sources
from deepaas.model.encoding import EncodedAnswer, encode_answer, encode_json, json_or_repr
from deepaas.records import LogSettings, ModelSource
from deepaas.telemetry import configure_model_logging

logger = logging.getLogger(__name__)

JSON = "application/json"
EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


@contextmanager
def keeping_stdout() -> Iterator[BinaryIO]:
    """Give standard output for the result; to everybody else it is standard error meanwhile."""
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "wb") as result:
        os.dup2(2, 1)
        write_each_line()
        write_each_line_of_c()
        try:
            yield result
        finally:
            sys.stdout.flush()
            flush_c()
            os.dup2(result.fileno(), 1)


def begin_log(settings: LogSettings, warnings: Sequence[str]) -> None:
    """Set up the log, and write to it what the options are worth a warning for."""
    for warning in (*configure_model_logging(settings), *warnings):
        logger.warning("%s", warning, extra={"action": "option_ignored"})


def choose_source(names: Sequence[str]) -> ModelSource:
    """Return the one model that a command is about.

    Raises:
        ConfigurationError: There is none, or more than one to choose from.
    """
    sources = select_sources(names)
    if len(sources) > 1:
        raise ConfigurationError(
            f"There are {len(sources)} models: {', '.join(source.name for source in sources)}."
            " Choose one with --model-name."
        )
    return sources[0]


def run_guarded(prog: str, run: Callable[[BinaryIO], None]) -> int:
    """Run something that runs a model, with standard output to itself.

    Returns:
        The exit status; what went wrong has been said.
    """
    pid = os.getpid()
    try:
        with keeping_stdout() as result:
            try:
                run(result)
            except HelpAsked as exc:
                result.write(str(exc).encode())
            result.flush()
    except ConfigurationError as exc:
        return _say(prog, exc.message, EXIT_USAGE)
    except InvalidArguments as exc:
        return _say(prog, "\n".join(_lines(exc.messages)), EXIT_USAGE)
    except ModelLoadError as exc:
        return _say(prog, exc.message, EXIT_FAILED, exc.traceback)
    except Cancelled:
        return _say(prog, "cancelled.", EXIT_FAILED)
    except KeyboardInterrupt:
        return _say(prog, "interrupted.", EXIT_INTERRUPTED)
    except BrokenPipeError:
        return EXIT_FAILED  # whoever was to read the result is gone
    except InvalidInput as exc:
        return _say(prog, exc.message, EXIT_USAGE)
    except (InvalidAnswer, NotImplementedByModel) as exc:
        return _say(prog, f"{getattr(exc, 'detail', '') or exc.message}", EXIT_FAILED)
    except BaseException as exc:  # noqa: BLE001 - the border of the author's code
        trace = exc.__traceback__
        failure = failure_of(exc.with_traceback(authors_part(trace) or trace))
        text = f"{failure.type_name}: {failure.text}" if failure.text else failure.type_name
        return _say(prog, f"the model raised {text}", EXIT_FAILED, failure.traceback)
    finally:
        if os.getpid() != pid:
            os._exit(0)  # a fork of the model's that came back
    return 0


def _say(prog: str, text: str, status: int, trace: str = "") -> int:
    print(f"{trace}{prog}: {text}", file=sys.stderr)
    return status


def _lines(messages: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the arguments, one a line."""
    return [
        f"{name}: {' '.join(found)}"
        if isinstance(found, list) and all(isinstance(text, str) for text in found)
        else f"{name}: {json.dumps(found, default=str, ensure_ascii=False)}"
        for name, found in messages.items()
    ]


def metadata(adapter: ModelAdapter) -> EncodedAnswer:
    """Return what a model says of itself."""
    return EncodedAnswer(JSON, json_or_repr(adapter.metadata()))


def predict(adapter: ModelAdapter, arguments: Mapping[str, Any]) -> EncodedAnswer:
    """Predict once; the answer is the model's own, without the object that the server puts it in.

    Raises:
        Exception: Whatever the author's code raises.
    """
    returned = _unforked(lambda: adapter.predict(**arguments))
    return encode_answer(returned, arguments.get("accept"), adapter.response_schema, wrap=False)


def train(adapter: ModelAdapter, arguments: Mapping[str, Any]) -> EncodedAnswer:
    """Train, and return the record of it, as the server shows it.

    Raises:
        Exception: Whatever the author's code raises.
    """
    shown = display(adapter.parsers["train"].arguments, arguments)
    begun = datetime.now()
    output = json.loads(json_or_repr(_unforked(lambda: adapter.run("train", **arguments))))
    finished = datetime.now()
    record = {
        "date": f"{begun:%Y-%m-%d %H:%M:%S.%f}",
        "args": shown,
        "uuid": uuid.uuid4().hex,
        "status": "done",
        "result": {
            "output": output,
            "finish_date": f"{finished:%Y-%m-%d %H:%M:%S.%f}",
            "duration": str(finished - begun),
        },
    }
    return EncodedAnswer(JSON, encode_json(record))


def evaluate(adapter: ModelAdapter, arguments: Mapping[str, Any]) -> EncodedAnswer:
    """Evaluate, and return what the model found out.

    Raises:
        Exception: Whatever the author's code raises.
    """
    returned = _unforked(lambda: adapter.run("evaluate", **arguments))
    return EncodedAnswer(JSON, json_or_repr(returned))


def _unforked(call: Callable[[], Any]) -> Any:
    """Call the author's code; a fork of it that comes back ends here and answers nothing."""
    pid = os.getpid()
    returned = call()
    if os.getpid() != pid:
        os._exit(0)
    return returned


def write_answer(answer: EncodedAnswer, output: BinaryIO) -> None:
    """Write an answer, and close what it holds; JSON ends its line."""
    if answer.file is not None:
        with answer.file:
            shutil.copyfileobj(answer.file, output)
    else:
        output.write(answer.body or b"")
        if answer.content_type == JSON:
            output.write(b"\n")
    output.flush()


def write_file(answer: EncodedAnswer, path: Path) -> None:
    """Write an answer to a file; its folder is made if it is not there.

    Raises:
        ConfigurationError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_answer(answer, file)
    except OSError as exc:
        raise ConfigurationError(f"{path} cannot be written: {exc.strerror}.") from exc
