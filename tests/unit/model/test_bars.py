# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Bars of tqdm are reported, each in a process of its own, as a training is."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deepaas.model.bars import Bars

BEGIN = """
import json, os, sys
from deepaas.model import bars, context
class Sink:
    reports = []
    def progress(self, done, total, metrics):
        self.reports.append([done, total, dict(metrics)])
sink = Sink()
context.install(sink)
"""
WATCH = (
    "bars.watch(into_log={into_log}, with_drawn={with_drawn})\nassert 'tqdm' not in sys.modules\n"
)
END = "\njson.dump(sink.reports, sys.stdout)\n"


class Ran(NamedTuple):
    reports: list[Any]
    #: What the bars drew.
    drawn: str


def run(
    code: str,
    *,
    into_log: bool = True,
    with_drawn: bool = True,
    begin: str = BEGIN + WATCH,
    environment: dict[str, str] | None = None,
) -> Ran:
    program = begin.replace("{into_log}", str(into_log)).replace("{with_drawn}", str(with_drawn))
    done = subprocess.run(
        [sys.executable, "-c", program + code + END],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return Ran(json.loads(done.stdout), done.stderr)


@pytest.mark.parametrize(
    "bar",
    [
        "import tqdm\nfor _ in tqdm.trange(4): pass",
        "from tqdm import tqdm\nfor _ in tqdm(range(4)): pass",
        "from tqdm.auto import tqdm\nfor _ in tqdm(range(4)): pass",
        "from tqdm.auto import tqdm\nfor _ in tqdm(range(4), disable=True): pass",
        "from tqdm import tqdm\nfor _ in tqdm(range(4), disable=None): pass",
        "from tqdm import tqdm\nwith tqdm(total=4) as bar:\n for _ in range(4): bar.update()",
        "from tqdm import tqdm\nbar = tqdm(total=4, disable=True)\n"
        "for _ in range(2): bar.update(2)\nbar.close()",
        "from tqdm import tqdm\nbar = tqdm(total=4)\nbar.n = 4\nbar.refresh()",
        "from tqdm import tqdm\nbar = tqdm(total=9)\nbar.reset(total=4)\n"
        "bar.update(4)\nbar.close()",
    ],
)
def test_a_bar_is_progress(bar: str) -> None:
    reports = run(bar).reports
    assert reports[0][0] == 0
    assert reports[-1] == [4, 4, {}]


@pytest.mark.parametrize("disable", [True, False])
def test_a_bar_without_a_total_counts(disable: bool) -> None:
    code = f"from tqdm import tqdm\nfor _ in tqdm(iter(range(3)), disable={disable}): pass"
    assert run(code).reports[-1] == [3, None, {}]


@pytest.mark.parametrize("disable", [True, False])
def test_the_outermost_bar_counts_and_every_bar_has_metrics(disable: bool) -> None:
    code = f"""
from tqdm import tqdm, trange
outer = trange(2, disable={disable})
for epoch in outer:
    inner = tqdm(range(5), leave=False, disable={disable})
    for batch in inner:
        inner.set_postfix(loss=1 / (epoch + 1))
    outer.set_postfix({{"accuracy": "0.5", "phase": "second"}}, refresh=False)
"""
    reports = run(code).reports
    assert reports[0] == [0, 2, {}]
    assert {total for _, total, _ in reports} == {2}
    assert reports[-1] == [2, 2, {"loss": 0.5, "accuracy": 0.5}]


def test_one_bar_after_another_counts() -> None:
    code = """
from tqdm import trange
for _ in (bar := trange(3)):
    bar.set_postfix(loss=1)
for _ in trange(2): pass
"""
    reports = run(code).reports
    assert [3, 3, {"loss": 1}] in reports
    assert reports[-1] == [2, 2, {}]


def test_a_bar_that_is_dropped_no_longer_counts() -> None:
    code = """
from tqdm import tqdm
bar = tqdm(total=100)
bar.update(7)
del bar
for _ in tqdm(range(2)): pass
"""
    assert run(code).reports[-1] == [2, 2, {}]


def test_a_loop_that_is_left_tells_how_far_it_came() -> None:
    code = """
from tqdm import tqdm
for number in tqdm(range(10), disable=True):
    if number == 4: break
"""
    assert run(code).reports[-1] == [4, 10, {}]


def test_metrics_may_be_arrays_without_axes_and_odd_things_are_left_out() -> None:
    code = """
import numpy as np
from tqdm import tqdm
class Odd:
    ndim = 0
    def __float__(self): raise RuntimeError
    def __str__(self): return "odd"
with tqdm(total=1) as bar:
    bar.set_postfix({"a": np.float32(0.5), "b": np.array(2)}, c=[1], d=Odd(), e="1/2", f=1)
    bar.set_postfix(ordered_dict={"g": True}, refresh=False)
"""
    assert run(code).reports[-1][2] == {"a": 0.5, "b": 2, "f": 1, "g": 1}


def test_what_the_model_reports_itself_wins() -> None:
    code = """
from tqdm import trange
for epoch in trange(3):
    if epoch == 1:
        context.progress(10, 20, loss=1)
"""
    reports = run(code).reports
    assert reports[0] == [0, 3, {}]
    assert reports[-1] == [10, 20, {"loss": 1}]


def test_forks_and_threads() -> None:
    """A data loader's bar is not the training's; a thread's is."""
    code = """
import threading
from tqdm import tqdm
bar = tqdm(total=2)
before = list(sink.reports)
if os.fork() == 0:
    for _ in tqdm(range(50)): pass
    bar.update(2)
    os._exit(sink.reports != before)
assert os.wait()[1] == 0
thread = threading.Thread(target=lambda: [bar.update(), bar.close()])
thread.start()
thread.join()
"""
    assert run(code).reports[-1] == [1, 2, {}]


def test_a_log_is_not_filled_by_bars() -> None:
    code = """
import time
from tqdm import trange
end = time.monotonic() + 0.5
for _ in (bar := trange(10**9)):
    bar.set_postfix(loss=1)
    if time.monotonic() > end: break
"""
    log, terminal = run(code), run(code, into_log=False)
    assert log.drawn.count("it/s") < 5
    assert terminal.drawn.count("it/s") > 50
    assert len(log.reports) > 50


@pytest.mark.parametrize("by_environment", [True, False])
def test_the_authors_own_interval_is_kept(by_environment: bool) -> None:
    code = """
import time
from tqdm import tqdm
end = time.monotonic() + 0.5
with tqdm(total=10**9{}) as bar:
    while time.monotonic() < end: bar.update()
"""
    environment = {"TQDM_MININTERVAL": "0.02"} if by_environment else {}
    ran = run(code.format("" if by_environment else ", mininterval=0.02"), environment=environment)
    assert ran.drawn.count("it/s") > 4


def test_bars_that_are_drawn_may_be_left_to_themselves() -> None:
    code = """
from tqdm import trange
for _ in trange(3): pass
for _ in trange(4, disable=True): pass
"""
    reports = run(code, with_drawn=False).reports
    assert {total for _, total, _ in reports} == {4}


def test_a_tqdm_that_is_there_already_is_understood() -> None:
    begin = BEGIN + "import tqdm\nbars.watch(into_log=True, with_drawn=True)\n"
    assert run("for _ in tqdm.trange(4): pass", begin=begin).reports[-1] == [4, 4, {}]


def test_a_tqdm_that_is_made_otherwise_works_as_ever(tmp_path: Path) -> None:
    (tmp_path / "tqdm").mkdir()
    (tmp_path / "tqdm/__init__.py").write_text("from .std import tqdm")
    (tmp_path / "tqdm/std.py").write_text("def tqdm(items): return items")
    ran = run(
        "from tqdm import tqdm\nfor _ in tqdm(range(4)): pass",
        environment={"PYTHONPATH": str(tmp_path)},
    )
    assert ran.reports == []
    assert "Bars of this tqdm are not understood" in ran.drawn


def test_a_tqdm_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "tqdm").mkdir()
    (tmp_path / "tqdm/__init__.py").touch()
    code = """
try:
    import tqdm.std
except ModuleNotFoundError as exc:
    sink.reports.append(exc.name)
"""
    assert run(code, environment={"PYTHONPATH": str(tmp_path)}).reports == ["tqdm.std"]


def test_the_module_is_as_if_nothing_had_changed_it() -> None:
    code = """
import inspect
import tqdm.std
assert inspect.getsource(tqdm.std).startswith('"')
assert tqdm.std.__spec__.loader is tqdm.std.__loader__
assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("deepaas.")]
assert tqdm.tqdm.close.__doc__.startswith("Cleanup")
"""
    assert run(code).reports == []


def test_what_is_told_of_an_unknown_bar_is_nothing() -> None:
    reports: list[Any] = []
    bars = Bars(lambda *report: reports.append(report), with_drawn=True)
    for tell in (bars.drawn, bars.closed, lambda bar: bars.advanced(bar, 1)):
        tell(object())
    bars.described(object(), {"loss": 1})
    assert reports == []
