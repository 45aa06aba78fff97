# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The model of a function at work: loaded once, called for each object."""

import base64
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from deepaas.cmd import method
from deepaas.cmd.fetching import with_fetched
from deepaas.cmd.function import PROG
from deepaas.cmd.function.task import ANSWER, Task, take_task
from deepaas.cmd.progress import TerminalSink
from deepaas.config import load_function_settings
from deepaas.errors import ConfigurationError, DeepaasError, InvalidInput, ModelLoadError
from deepaas.execution.training import Cancelled
from deepaas.execution.worker import warm_model
from deepaas.functions.archives import Archive, is_archive
from deepaas.functions.calls import CallMaker, takes_archives
from deepaas.functions.objects import Item
from deepaas.functions.outputs import output_names, problem_text
from deepaas.functions.problems import problem_of
from deepaas.model import bars, context
from deepaas.model.adapter import ModelAdapter, load_model
from deepaas.model.discovery import authors_part
from deepaas.model.encoding import EncodedAnswer
from deepaas.records import CallInput

logger = logging.getLogger(__name__)


def run_here(argv: Sequence[str], folder: Path) -> int:
    """Do it in this process.

    Args:
        argv: The folder of this run, and the arguments of the command.
        folder: Takes the copies of files.

    Returns:
        As the command does.
    """
    work, *given = argv
    failed: list[str] = []

    def run(result: BinaryIO) -> None:
        settings = load_function_settings(given)
        method.begin_log(settings.log, settings.warnings)
        failed.extend(Run(take_task(settings, Path(work)), folder, result).run())

    return method.run_guarded(PROG, run) or (method.EXIT_FAILED if failed else 0)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What the model is called for once."""

    #: Of the output.
    name: str
    #: ``None`` for a call.
    item: Item | None = None
    archive: Archive | None = None
    #: Of the item in the archive.
    member: str = ""

    @property
    def label(self) -> str | None:
        return None if self.item is None else self.item.label


class Run:
    """One run of a function.

    Args:
        task: What is to be done.
        folder: Takes the copies of files.
        result: Takes the answer where it has no file.
    """

    def __init__(self, task: Task, folder: Path, result: BinaryIO) -> None:
        self._task = task
        self._method = task.settings.method
        self._folder = folder
        self._result = result
        self._is_warm = not task.settings.warm
        self._failed: list[str] = []

    def run(self) -> list[str]:
        """Call the model for each object, and return the outputs that are problems.

        Raises:
            Exception: Why nothing more can be done; each object that is left has an output.
        """
        with ExitStack() as stack:
            try:
                adapter = load_model(method.choose_source(self._task.settings.model_names))
                for piece in self._pieces(adapter, stack):
                    self._answer(adapter, piece)
            except (Exception, Cancelled) as exc:
                for name, label in self._task.debts.left().items():
                    self._fail(name, label if self._task.request.items else None, exc)
                if not isinstance(exc, InvalidInput):
                    raise
        return self._failed

    def _pieces(self, adapter: ModelAdapter, stack: ExitStack) -> list[_Piece]:
        """Return what the model is called for, and note that an output of each is owed."""
        request = self._task.request
        if request.call is not None:
            return [_Piece(ANSWER)]
        found: list[tuple[Item, Archive | None, str]] = []
        own_names = output_names([item.name for item in request.items])
        for item, name in zip(request.items, own_names, strict=True):
            if not self._is_to_unpack(adapter, item):
                found.append((item, None, ""))
                continue
            try:
                archive = Archive(item.path, item.label, self._task.settings.max_unpacked_bytes)
            except InvalidInput as exc:
                self._fail(name, item.label, exc)
                continue
            stack.callback(archive.close)
            # The members of two archives may have the same names.
            prefix = f"{name}/" if len(request.items) > 1 else ""
            found += [
                (Item(prefix + member, item.path, f"{item.label}: {member}"), archive, member)
                for member in archive.names
            ]
        if self._task.outputs is None and len(found) > 1:
            raise ConfigurationError("an archive needs a folder for its outputs: --output-dir.")
        names = output_names([item.name for item, _, _ in found])
        pieces = [_Piece(name, *each) for name, each in zip(names, found, strict=True)]
        self._task.debts.owe({piece.name: str(piece.label) for piece in pieces})
        return pieces

    def _is_to_unpack(self, adapter: ModelAdapter, item: Item) -> bool:
        how = self._task.settings.archives
        if how == "keep" or not is_archive(item.path, item.name):
            return False
        return how == "unpack" or not takes_archives(adapter.parsers[self._method].arguments)

    def _answer(self, adapter: ModelAdapter, piece: _Piece) -> None:
        """Call the model once; whatever it does, there is an output then."""
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            try:
                answer = self._call(adapter, piece, Path(scratch))
                self._write(piece.name, answer)
            except (ModelLoadError, Cancelled):
                raise  # it is the same for all that are left
            except (Exception, SystemExit) as exc:  # noqa: BLE001 - the border of the author's code
                self._fail(piece.name, piece.label, exc)

    def _call(self, adapter: ModelAdapter, piece: _Piece, scratch: Path) -> EncodedAnswer:
        parser = adapter.parsers[self._method]
        given = self._input(CallMaker(parser.arguments, scratch, self._accept()), piece, scratch)
        given = with_fetched(given, parser, self._task.settings.fetching, scratch)
        arguments = parser.parse(given)
        if not self._is_warm:
            warm_model(adapter)
            self._is_warm = True
        if self._method == "predict":
            return method.predict(adapter, arguments)
        with self._reporting(piece.name):
            return method.train(adapter, arguments)

    def _accept(self) -> str | None:
        return self._task.settings.content_type if self._method == "predict" else None

    def _input(self, maker: CallMaker, piece: _Piece, scratch: Path) -> CallInput:
        if piece.item is None:
            assert self._task.request.call is not None
            return maker.of_call(self._task.request.call)
        if piece.archive is None:
            return maker.of_item(piece.item, piece.item.path)
        with piece.archive.member(piece.member, scratch) as path:
            return maker.of_item(piece.item, path)

    @contextmanager
    def _reporting(self, name: str) -> Iterator[None]:
        """Let a training report, and keep what it makes beside its output."""
        outputs = self._task.outputs
        folder = self._folder / "artifacts" if outputs is None else outputs.folder_of(name)
        bars.watch(into_log=True, with_drawn=False)
        sink = TerminalSink(sys.stderr, folder)
        context.install(sink)
        before = signal.signal(signal.SIGTERM, sink.on_sigterm)
        os.register_at_fork(after_in_child=sink.leave_fork)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)
            context.uninstall()
            sink.close()

    def _write(self, name: str, answer: EncodedAnswer) -> None:
        if self._task.outputs is not None:
            self._task.outputs.write(name, answer)
        elif answer.content_type == method.JSON:
            method.write_answer(answer, self._result)
        else:
            with answer.file or nullcontext() as file:
                content = answer.body if file is None else file.read()
            # Whoever passes it on reads text.
            self._result.write(base64.b64encode(content or b"") + b"\n")
            self._result.flush()
        self._task.debts.pay(name)

    def _fail(self, name: str, label: str | None, exc: BaseException) -> None:
        """Write why there is no answer, for whoever sent the object and into the log."""
        problem = problem_of(exc, label, self._folder)
        trace = None
        if not isinstance(exc, DeepaasError):
            trace = exc.with_traceback(authors_part(exc.__traceback__) or exc.__traceback__)
        logger.error(
            "%s has no answer: %s",
            label or "The call",
            problem["message"],
            exc_info=trace,
            extra={"action": "object_failed"},
        )
        self._failed.append(name)
        try:
            self._write_problem(name, problem)
        except ConfigurationError as failure:
            # Still owed: the others are not to go without for that.
            logger.error("%s", failure.message, extra={"action": "output_failed"})
        else:
            self._task.debts.pay(name)

    def _write_problem(self, name: str, problem: Mapping[str, Any]) -> None:
        if self._task.outputs is not None:
            self._task.outputs.write_problem(name, problem)
        else:
            self._result.write(problem_text(problem))
            self._result.flush()
