# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A bar that stays below what a training prints, in Python or below it, on the same terminal.

The training's process gets a terminal of its own, and a pipe for the bar's text. What comes out of
both is put together here, in a process that does not end with the model.
"""

import os
import pty
import termios
import tty
from collections.abc import Callable

from deepaas.execution.messages import write_all

_STDERR_FD = 2
_CHUNK_BYTES = 64 * 1024
#: Of a terminal that does not know.
_COLUMNS = 80
#: Back to the beginning of the line, and erase it (ECMA-48: CR, EL).
_ERASE = b"\r\x1b[K"


class Screen:
    """A stream of output with a bar below it.

    Args:
        write: Takes what goes to the terminal.
        columns: Tells how wide the terminal is.
    """

    def __init__(self, write: Callable[[bytes], object], columns: Callable[[], int]) -> None:
        self._write = write
        self._columns = columns
        self._bar = ""
        self._is_drawn = False
        #: The bar waits while a line of the output is unfinished.
        self._is_free = True

    def output(self, data: bytes) -> None:
        """Show output, and the bar again below it."""
        if not data:
            return
        self._is_free = data.endswith(b"\n")
        self._write((_ERASE if self._is_drawn else b"") + data + self._drawing())

    def bar(self, text: str) -> None:
        """Show another bar; an empty text leaves the last one where it is."""
        if text:
            self._bar = text
            erase = _ERASE if self._is_drawn else b""
            if drawing := self._drawing():
                self._write(erase + drawing)
        else:
            self.close()

    def close(self) -> None:
        """Leave the bar's last state as a line of the output."""
        if self._bar:
            if not self._is_free:
                self._write(b"\n")
                self._is_free = True
                self._write(self._drawing())
            self._write(b"\n")
        self._bar = ""
        self._is_drawn = False

    def _drawing(self) -> bytes:
        """Return what draws the bar where the cursor stands, nothing if it must not."""
        self._is_drawn = bool(self._bar) and self._is_free
        # A bar that took two lines could not be erased.
        return self._bar[: self._columns() - 1].encode() if self._is_drawn else b""


class ScreenForChild:
    """The terminal and the pipe of a child; closed by :meth:`finish`.

    Raises:
        OSError: The system has no terminal left.
    """

    def __init__(self) -> None:
        self._terminal, self._child_terminal = pty.openpty()
        # Passed on as it is: the real terminal makes of a line's end what it has to.
        tty.setraw(self._child_terminal)
        self._bars, self._child_bars = os.pipe()
        for fd in (self._terminal, self._bars):
            os.set_blocking(fd, False)
        #: Those of our ends that have not come to their end.
        self._open = [self._terminal, self._bars]
        self._unread = b""
        self._screen = Screen(_write, _columns)
        self.follow_size()

    @property
    def child_fds(self) -> tuple[int, int]:
        """The child's ends: its terminal, and where it writes bars, one a line."""
        return self._child_terminal, self._child_bars

    @property
    def fds(self) -> tuple[int, ...]:
        """Descriptors to wait for, to call :meth:`pump` then."""
        return tuple(self._open)

    def follow_size(self) -> None:
        """Make the child's terminal as large as the real one."""
        try:
            termios.tcsetwinsize(self._terminal, termios.tcgetwinsize(_STDERR_FD))
        except termios.error:
            return  # what is no terminal any more

    def started(self) -> None:
        """Close the child's ends, which it has."""
        os.close(self._child_terminal)
        os.close(self._child_bars)

    def pump(self) -> bool:
        """Show what has come; false if there was nothing."""
        output = self._read(self._terminal)
        # Read later and shown before: a bar that was left is left above what was printed then.
        *bars, self._unread = (self._unread + self._read(self._bars)).split(b"\n")
        for bar in bars:
            self._screen.bar(bar.decode())
        self._screen.output(output)
        return bool(output or bars)

    def _read(self, fd: int) -> bytes:
        if fd not in self._open:
            return b""
        try:
            data = os.read(fd, _CHUNK_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""  # EIO: nobody has the other end of the terminal
        if not data:
            self._open.remove(fd)
        return data

    def finish(self) -> None:
        """Show what is left, once all that could write has ended, and close everything."""
        while self.pump():
            pass
        self._screen.close()
        os.close(self._terminal)
        os.close(self._bars)


def _write(data: bytes) -> None:
    try:
        write_all(_STDERR_FD, data)
    except OSError:
        pass  # the terminal is gone; its hangup ends the command


def _columns() -> int:
    try:
        return os.get_terminal_size(_STDERR_FD).columns or _COLUMNS
    except OSError:
        return _COLUMNS
