# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What tqdm's bars show is reported as progress, unless the model reports progress itself.

tqdm is never imported here. :func:`watch` waits for the model to import it, and then has its class
tell of five moments in the life of a bar; between them a bar runs at its own speed.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from numbers import Number
from types import ModuleType
from typing import Any

from deepaas.model import context
from deepaas.model.importing import when_imported

logger = logging.getLogger(__name__)

_MODULE = "tqdm.std"
#: Between two drawings of a bar where its author does not say, in tqdm.
_TQDM_INTERVAL_S = 0.1
#: The same into a log, which would be filled by ten lines a second.
_LOG_INTERVAL_S = 1.0
#: A bar that is not drawn tells how far it is this often.
_INTERVAL_S = 0.1

Report = Callable[[float, float | None, Mapping[str, float]], None]


def watch(*, into_log: bool, with_drawn: bool) -> None:
    """Report what bars show from now on; once in a process, before the model is imported.

    Args:
        into_log: Bars are drawn into a file, so once a second at most unless their author says how
            often, and not whenever a postfix changes.
        with_drawn: Report the bars too that draw themselves, not only those that are disabled.
    """
    bars = Bars(context.observe, with_drawn=with_drawn)

    def change(module: ModuleType) -> None:
        try:
            _change(module.tqdm, bars, draws_seldom=into_log)
        except AttributeError as exc:
            # A tqdm that is made otherwise works as it would without us.
            logger.warning("Bars of this tqdm are not understood: %s.", exc)

    when_imported(_MODULE, change)


class _Bar:
    """What an open bar shows."""

    def __init__(self, done: float, total: float | None) -> None:
        self.done = done
        self.total = total
        self.metrics: Mapping[str, Any] = {}
        self.told_s = float("-inf")


class Bars:
    """The open bars of a process; safe across threads, and of no effect in its forks.

    The outermost bar, the one that was opened first, says how far the work is. The metrics are
    those of all bars, since it is often an inner one that shows the loss.
    """

    def __init__(self, report: Report, *, with_drawn: bool) -> None:
        self._report = report
        self._with_drawn = with_drawn
        self._pid = os.getpid()
        self._lock = threading.Lock()
        #: By the id of tqdm's object, which is not held here: it closes when nobody holds it.
        self._open: dict[int, _Bar] = {}
        self._metrics: dict[str, float] = {}

    def _is_counted(self) -> bool:
        # A data loader's own bars are not the training's, and a lock may be held for ever there.
        return os.getpid() == self._pid

    def opened(self, tqdm: Any) -> None:
        """Note a new bar."""
        if not self._is_counted() or not (tqdm.disable or self._with_drawn):
            return
        with self._lock:
            if not self._open:
                self._metrics.clear()
            self._open[id(tqdm)] = _Bar(tqdm.n, tqdm.total)
        self._tell(tqdm)

    def drawn(self, tqdm: Any) -> None:
        """Take over what a bar draws."""
        if (bar := self._find(tqdm)) is not None:
            bar.done, bar.total = tqdm.n, tqdm.total
            self._tell(tqdm)

    def advanced(self, tqdm: Any, count: float) -> None:
        """Count for a disabled bar, which does not count itself."""
        if (bar := self._find(tqdm)) is not None:
            bar.done += count
            now_s = time.monotonic()
            if now_s - bar.told_s >= _INTERVAL_S:
                bar.told_s = now_s
                self._tell(tqdm)

    def described(self, tqdm: Any, metrics: Mapping[str, Any]) -> None:
        """Take over what a bar shows beside itself."""
        if (bar := self._find(tqdm)) is not None:
            bar.metrics = metrics

    def closed(self, tqdm: Any) -> None:
        """Report the end of a bar, and forget it."""
        if (bar := self._find(tqdm)) is None:
            return
        if not tqdm.disable:
            bar.done, bar.total = tqdm.n, tqdm.total
        self._tell(tqdm)
        with self._lock:
            self._open.pop(id(tqdm), None)

    def _find(self, tqdm: Any) -> _Bar | None:
        return self._open.get(id(tqdm)) if self._is_counted() else None

    def _tell(self, tqdm: Any) -> None:
        with self._lock:
            bar = self._open.get(id(tqdm))
            if bar is None:
                return
            self._metrics.update(_numbers(bar.metrics))
            outermost = next(iter(self._open.values()))
            done, total, metrics = outermost.done, outermost.total, dict(self._metrics)
        self._report(done, total, metrics)


def _numbers(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Give those that are numbers, also in the form of a text or of an array without axes."""
    for name, value in values.items():
        try:
            if isinstance(value, int | float):
                yield name, value
            elif isinstance(value, Number | str) or getattr(value, "ndim", None) == 0:
                yield name, float(value)
        except Exception:  # noqa: BLE001, S112 - the author's object; not every text is a number
            continue


def _change(tqdm: Any, bars: Bars, *, draws_seldom: bool) -> None:
    """Have the class tell ``bars``; its subclasses, as of ``tqdm.auto``, inherit that.

    Raises:
        AttributeError: It lacks a method; nothing has changed then.
    """
    init, iterate, update = tqdm.__init__, tqdm.__iter__, tqdm.update
    refresh, set_postfix, close = tqdm.refresh, tqdm.set_postfix, tqdm.close

    @wraps(init)
    def opening(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        bars.opened(self)

    @wraps(iterate)
    def iterating(self: Any) -> Iterator[Any]:
        return _counted(self, bars) if self.disable else iterate(self)

    @wraps(update)
    def updating(self: Any, n: float = 1) -> Any:
        if self.disable:
            bars.advanced(self, n)
        return update(self, n)

    @wraps(refresh)
    def refreshing(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.disable:
            bars.drawn(self)
            if draws_seldom and _was_just_drawn(self):
                return True
        return refresh(self, *args, **kwargs)

    @wraps(set_postfix)
    def describing(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = dict(args[0]) if args and args[0] else dict(kwargs.get("ordered_dict") or {})
        shown = {name: value for name, value in kwargs.items() if name not in _OPTIONS}
        bars.described(self, {**given, **shown})
        return set_postfix(self, *args, **kwargs)

    @wraps(close)
    def closing(self: Any) -> Any:
        bars.closed(self)
        return close(self)

    tqdm.__init__, tqdm.__iter__, tqdm.update = opening, iterating, updating
    tqdm.refresh, tqdm.set_postfix, tqdm.close = refreshing, describing, closing


#: Parameters of tqdm's ``set_postfix`` that are no metrics.
_OPTIONS = frozenset({"ordered_dict", "refresh"})


def _counted(tqdm: Any, bars: Bars) -> Iterator[Any]:
    """Walk through the iterable of a disabled bar; it is at its end when that is."""
    count = 0
    told_s = float("-inf")
    try:
        for item in tqdm.iterable:
            yield item
            count += 1
            now_s = time.monotonic()
            if now_s - told_s >= _INTERVAL_S:
                bars.advanced(tqdm, count)
                count, told_s = 0, now_s
    finally:
        bars.advanced(tqdm, count)
        bars.closed(tqdm)


def _was_just_drawn(tqdm: Any) -> bool:
    """Whether a bar was drawn so lately that it is not drawn now; the first time it never was."""
    now_s = time.monotonic()
    own_s = tqdm.mininterval
    pause_s = _LOG_INTERVAL_S if own_s == _TQDM_INTERVAL_S else own_s
    if now_s - getattr(tqdm, "_deepaas_drawn_s", float("-inf")) < pause_s:
        return True
    tqdm._deepaas_drawn_s = now_s
    return False
