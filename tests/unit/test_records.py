# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Records are frozen, and a final state never changes."""

import copy
import pickle
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime

import pytest

from deepaas.records import (
    FINAL_STATES,
    MISSING,
    Argument,
    CallInput,
    Job,
    JobState,
    ModelSource,
    ReturnedFile,
    SourceKind,
    Training,
    UploadedFile,
)

JOB = Job("1", "train", "cat", JobState.QUEUED, datetime(2026, 11, 22, tzinfo=UTC))


@pytest.mark.parametrize("retries", [-1, 101, 1.5, "2", None])
def test_a_number_of_retries_that_makes_no_sense_is_refused(retries: object) -> None:
    with pytest.raises(ValueError, match=f"retries is {retries!r}; it must be 0 to 100"):
        Training(retries=retries)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", JobState)
@pytest.mark.parametrize("target", JobState)
def test_moves(state: JobState, target: JobState) -> None:
    allowed = {
        JobState.QUEUED: {JobState.RUNNING} | FINAL_STATES,
        JobState.RUNNING: {JobState.QUEUED} | FINAL_STATES,
    }
    assert state.can_move_to(target) == (target in allowed.get(state, set()))


def test_a_state_is_final_or_not() -> None:
    assert {state for state in JobState if not state.is_final} == {
        JobState.QUEUED,
        JobState.RUNNING,
    }


def test_what_a_client_sent_is_not_shown_by_chance() -> None:
    pairs = (("key", "s3cret"),)
    call = CallInput(pairs, pairs, (), b"s3cret", pairs, pairs)
    assert repr(call) == f"{call}" == "CallInput()"


def test_records_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        JOB.state = JobState.DONE  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        CallInput().body = b""  # type: ignore[misc]
    changed = JOB.evolve(state=JobState.RUNNING, server="s")
    assert (changed.state, changed.server, JOB.state) == (JobState.RUNNING, "s", JobState.QUEUED)
    with pytest.raises(TypeError):
        JOB.evolve(nothing=1)


@pytest.mark.parametrize(
    ("source", "label"),
    [
        (
            ModelSource("cat", SourceKind.ENTRY_POINT, "a.b:C", "pkg", "1.0"),
            "entry point 'cat = a.b:C' of package pkg 1.0",
        ),
        (
            ModelSource("cat", SourceKind.ENTRY_POINT, "a.b"),
            "entry point 'cat = a.b' of package (unknown)",
        ),
        (ModelSource("C", SourceKind.OBJECT, "a.b:C"), "object 'a.b:C'"),
        (ModelSource("cat", SourceKind.FILE, "/secret/cat.py"), "file 'cat.py'"),
    ],
)
def test_a_source_in_words(source: ModelSource, label: str) -> None:
    assert source.label == label


def test_missing_is_one_everywhere() -> None:
    argument = Argument("a", "a", "Str")
    assert argument.default is MISSING
    assert repr(MISSING) == "MISSING"
    assert copy.deepcopy(argument).default is MISSING
    assert pickle.loads(pickle.dumps(argument)).default is MISSING


@pytest.mark.parametrize("kind", [UploadedFile, ReturnedFile])
def test_files_are_tuples_as_in_2_6(kind: type[UploadedFile]) -> None:
    assert kind() == (None, None, None, None)
    name, filename, content_type, original = kind("a", "/b", "c/d", "e")
    assert (name, filename, content_type, original) == ("a", "/b", "c/d", "e")
    assert kind._fields == ("name", "filename", "content_type", "original_filename")
