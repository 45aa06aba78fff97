# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A log that is too long loses its middle, says so, and stays readable by offset."""

import errno
import os
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from deepaas.execution import joblog
from deepaas.execution.joblog import LogCap, log_gap, read_log
from tests.unit.parts import open_fds

CAP = 64 * 1024
MARKER = re.compile(rb"\n\[(\d+) bytes were left out here: more than 65536 were printed\] *\n")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """Return an empty log; no descriptor is left of what the test does."""
    log = tmp_path / "log"
    log.touch()
    before = open_fds()
    yield log
    assert open_fds() == before


def cannot_punch(fd: int, start: int, end: int) -> None:
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


def write_lines(log: Path, numbers: range) -> None:
    with log.open("ab") as file:
        file.write(b"".join(b"line %06d\n" % number for number in numbers))


def read_all(log: Path, step: int) -> bytes:
    text, offset = b"", 0
    while (found := read_log(log, offset, step))[0]:
        text += found[0]
        assert len(found[0]) <= step
        assert found[1] > offset
        offset = found[1]
    return text


def lines(text: bytes) -> list[int]:
    return [int(line) for line in re.findall(rb"(?:^|\n)line (\d{6})(?=\n)", text)]


def test_a_log_under_its_cap_is_left_alone(log: Path) -> None:
    cap = LogCap(log, CAP)
    write_lines(log, range(1000))
    assert cap.look() > 0
    cap.close()
    assert log_gap(log) is None
    assert lines(read_all(log, 1000)) == list(range(1000))


def test_without_a_cap_everything_stays(log: Path) -> None:
    cap = LogCap(log, 0)
    write_lines(log, range(100_000))
    cap.close()
    assert log_gap(log) is None


@pytest.mark.parametrize("punch", [joblog.punch, cannot_punch])
def test_a_long_log_keeps_its_beginning_and_its_end(
    log: Path, punch: Callable[[int, int, int], None]
) -> None:
    """Nothing is missing but what the line in the middle counts; however it is read."""
    cap = LogCap(log, CAP, punch=punch)
    step = 700
    for start in range(0, 70_000, step):
        write_lines(log, range(start, start + step))
        cap.look()
    cap.close()
    assert os.stat(log).st_blocks * 512 <= CAP + 2 * 4096
    for step in (1_000_000, 100, 13):
        text = read_all(log, step)
        assert len(text) <= CAP
        assert b"\0" not in text
        (left_out,) = MARKER.findall(text)
        marker = len(MARKER.search(text)[0])  # type: ignore[index]
        assert int(left_out) + len(text) - marker == 70_000 * len("line 000000\n")
    found = lines(text)
    (gap,) = [(a, b) for a, b in pairwise(found) if b != a + 1]
    assert (found[0], found[-1]) == (0, 69_999)
    assert gap[0] > 2500
    assert len(found) - gap[0] > 1300


def test_offsets_mean_the_same_before_and_after(log: Path) -> None:
    cap = LogCap(log, CAP)
    write_lines(log, range(10_000))
    assert lines(read_log(log, 12 * 9_500, 12)[0]) == [9_500]
    cap.look()
    cap.close()
    assert lines(read_log(log, 12 * 9_500, 12)[0]) == [9_500]
    assert os.stat(log).st_size == 12 * 10_000
    gap = log_gap(log)
    assert gap is not None
    # Who had read to a place that is gone goes on behind the gap.
    data, after = read_log(log, gap.start + 1000, 24)
    assert after == gap.end + 24
    assert data == b"line %06d\nline %06d\n" % (gap.end // 12, gap.end // 12 + 1)


def test_the_next_attempts_guard_goes_on_where_the_last_had_cut(log: Path) -> None:
    for start in (0, 10_000, 20_000):
        cap = LogCap(log, CAP)
        write_lines(log, range(start, start + 10_000))
        cap.close()
    assert len(MARKER.findall(read_all(log, 10_000))) == 1
    found = lines(read_all(log, 10_000))
    assert (found[0], found[-1]) == (0, 29_999)


def test_what_cannot_be_done_now_is_done_later(log: Path) -> None:
    failures = [errno.ENOSPC]

    def punch(fd: int, start: int, end: int) -> None:
        if failures:
            raise OSError(failures.pop(), "")
        joblog.punch(fd, start, end)

    cap = LogCap(log, CAP, punch=punch)
    write_lines(log, range(10_000))
    cap.look()
    assert os.stat(log).st_blocks * 512 > CAP + 2 * 4096
    cap.look()
    cap.close()
    assert os.stat(log).st_blocks * 512 <= CAP + 2 * 4096


def test_a_gap_that_cannot_be_told_is_made_all_the_same(log: Path) -> None:
    (log.parent / "log-gap.tmp").mkdir()
    cap = LogCap(log, CAP)
    write_lines(log, range(10_000))
    cap.close()
    assert os.stat(log).st_blocks * 512 <= CAP + 2 * 4096
    assert log_gap(log) is None


def test_what_cannot_be_punched_is_told(log: Path) -> None:
    fd = os.open(log, os.O_RDONLY)
    with pytest.raises(OSError, match="Bad file descriptor"):
        joblog.punch(fd, 0, 4096)
    os.close(fd)


def test_a_log_that_grows_fast_is_looked_at_often(log: Path) -> None:
    cap = LogCap(log, CAP)
    assert cap.look() == pytest.approx(0.1)
    write_lines(log, range(5_000))
    assert cap.look() < 0.05
    cap.close()


def test_a_reader_never_sees_what_is_cut_while_it_reads(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(log, range(10_000))
    cap = LogCap(log, CAP)
    pread = os.pread

    def cut_first(fd: int, length: int, offset: int) -> bytes:
        monkeypatch.setattr(os, "pread", pread)
        cap.look()
        return pread(fd, length, offset)

    monkeypatch.setattr(os, "pread", cut_first)
    data, _ = read_log(log, 12 * 4000, 1200)
    cap.close()
    assert b"\0" not in data
    assert lines(data)[0] > 4000
