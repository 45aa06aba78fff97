# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A worker that runs the calls that wait together, by the model's ``predict_batch``.

It takes what is there when it is free, up to the model's maximum: calls that come alone are not
delayed, and under load the batches are full. What goes wrong with one call is that call's alone.
"""

import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from deepaas.execution.calls import Answered, CallRunner, cancelled
from deepaas.execution.intake import Intake, Taken
from deepaas.execution.messages import Call
from deepaas.execution.outbox import Outbox
from deepaas.execution.page import CallPage
from deepaas.execution.serving import Serving
from deepaas.model.adapter import ModelAdapter
from deepaas.records import MISSING, Batch


class Member(NamedTuple):
    """A call that was taken and waits for its turn in a batch."""

    call: Call
    slot: int
    arguments: Mapping[str, Any]


class BatchServing(Serving):
    """Takes calls, runs them in batches and answers each by itself."""

    def __init__(
        self,
        runner: CallRunner,
        intake: Intake,
        outbox: Outbox,
        page: CallPage,
        *,
        adapter: ModelAdapter,
        batch: Batch,
    ) -> None:
        super().__init__(runner, intake, outbox, page)
        self._adapter = adapter
        self._batch = batch

    def _run_next(self) -> bool:
        """Run the batch that is there; false if nobody waits behind it, or did a moment ago."""
        found = self._intake.take(0)
        if found is None:
            return False
        until_s = time.monotonic() + self._batch.max_wait_ms / 1000
        members = []
        for slot in range(self._batch.max_size):
            found = found if slot == 0 else self._another(slot, until_s)
            if found is None:
                break
            member = self._member(*found, slot)
            if member is not None:
                members.append(member)
        for group in groups(members, self._batch.key):
            self._run_group(group)
        # One that is not full has found the queue empty, and need not look again before it waits.
        return found is not None

    def _another(self, slot: int, until_s: float) -> Taken | None:
        """Take one more call; without any, wait for one as long as the model wants."""
        while not self._intake.is_stopping:
            found = self._intake.take(slot)
            if found is not None or not self._batch.max_wait_ms:
                return found
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return None
            self._outbox.flush()
            self._intake.wait(left_s)
        return None

    def _member(self, call: Call, body: memoryview | None, slot: int) -> Member | None:
        """Look at a call; one that is wrong, or of another function, is answered at once."""
        if call.function != "predict":
            self._end(slot, self._runner.serve(call, body, None))
            return None
        arguments = self._runner.parsed(call, body)
        if isinstance(arguments, Mapping):
            return Member(call, slot, arguments)
        self._end(slot, arguments)
        return None

    def _run_group(self, group: Sequence[Member]) -> None:
        """Run calls that may share a batch, and answer them."""
        members = [member for member in group if not self._is_dropped(member)]
        if not members:
            return
        self._page.tallies.batches.add(len(members))
        self._runner.enter(members[0].call)
        try:
            results = self._adapter.predict_batch([dict(each.arguments) for each in members])
        except SystemExit:
            raise
        except BaseException as exc:  # noqa: BLE001 - the border of the author's code
            self._leave_fork()
            self._run_alone(members, exc)
            return
        self._leave_fork()
        for member, result in zip(members, results, strict=True):
            self._runner.enter(member.call)
            self._end(member.slot, self._answer(member, result))

    def _is_dropped(self, member: Member) -> bool:
        """Answer a call that was cancelled meanwhile."""
        if not self._page.is_cancelled(member.slot, member.call.id):
            return False
        self._end(member.slot, (cancelled(member.call), None))
        return True

    def _run_alone(self, members: Sequence[Member], exc: BaseException) -> None:
        """Run each call of a failed batch once more; a batch of one has failed by itself."""
        if len(members) == 1 and not self._adapter.has_single_predict:
            self._end(members[0].slot, self._runner.failed(members[0].call, exc))
            return
        for member in members:
            if self._is_dropped(member):
                continue
            self._runner.enter(member.call)
            try:
                result = self._adapter.predict(**member.arguments)
            except SystemExit:
                raise
            except BaseException as alone:  # noqa: BLE001 - the border of the author's code
                result = alone
            self._leave_fork()
            self._end(member.slot, self._answer(member, result))

    def _answer(self, member: Member, result: Any) -> Answered:
        if isinstance(result, BaseException):
            return self._runner.failed(member.call, result)
        return self._runner.encoded(member.call, member.arguments, result)


def groups(members: Sequence[Member], key: Sequence[str]) -> Iterable[Sequence[Member]]:
    """Put those calls together that agree in the arguments named in ``key``, in their order."""
    if not key or len(members) < 2:
        return (members,)
    found: dict[Hashable, list[Member]] = {}
    for member in members:
        try:
            values = tuple(frozen(member.arguments.get(name, MISSING)) for name in key)
            found.setdefault(values, []).append(member)
        except Exception:  # noqa: BLE001 - the author's __eq__, or nested too deep
            found[member.slot] = [member]
    return found.values()


def frozen(value: Any) -> Hashable:
    """Return what equals another value's if the two are alike, type and all.

    What can neither be compared by its hash nor taken apart is like nothing but itself.
    """
    if isinstance(value, list | tuple):
        return (type(value), tuple(map(frozen, value)))
    if isinstance(value, dict):
        return (dict, frozenset((frozen(name), frozen(each)) for name, each in value.items()))
    try:
        hash(value)
    except Exception:  # noqa: BLE001 - the author's __hash__
        return (type(value), id(value))
    return (type(value), value)
