# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas storage``: try a remote, bring data and models here, and what was made there."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from deepaas.cmd.jobs.output import abandon, take_any_character
from deepaas.errors import ConfigurationError, RemoteFailed
from deepaas.storage.base import FileStore, Limits
from deepaas.storage.opening import Driver, open_store
from deepaas.storage.remotes import Location, Remote, parse_location, read_remote
from deepaas.storage.transfer import Report, Transfer

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
_DEFAULTS: Final = Limits()
_REMOTES: Final = (
    "Remotes are those of rclone: RCLONE_CONFIG_NAME_TYPE, _URL, _VENDOR, _USER and _PASS"
    " (obscured), or rclone.conf. A password as it is belongs in RCLONE_CONFIG_NAME_PASS_PLAIN;"
    " with _FILE behind it, a secret's variable names the file that holds it."
)


def main(argv: Sequence[str]) -> int:
    """Do what was asked.

    Returns:
        0: all of it is done; 1: the remote failed, or some files did; 2: an option or a variable
        is wrong.

    Raises:
        SystemExit: The command line is wrong, or a signal came: 128 and its number.
    """
    options = make_parser().parse_args(argv)
    take_any_character()
    try:
        location: Location = options.location
        remote = read_remote(location.remote, os.environ)
        limits = Limits(options.connect_timeout, options.stall_timeout)
        store = open_store(remote, os.environ, limits, options.driver)
        with _ended_by_signals(), closing(store):
            if options.action == "check":
                status = _check(store, remote, options)
            else:
                status = _move(store, options)
            sys.stdout.flush()
            return status
    except BrokenPipeError:
        # Whoever was to read it is gone.
        abandon(sys.stdout)
        return EXIT_FAILED
    except ConfigurationError as exc:
        return _fail(EXIT_USAGE, exc.message, as_json=options.json)
    except RemoteFailed as exc:
        return _fail(EXIT_FAILED, exc.message, as_json=options.json)


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(
        prog="deepaas storage",
        description="Try a remote, and move files between it and this machine.",
        epilog=_REMOTES,
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    shared = _shared_parser()
    check = actions.add_parser(
        "check",
        help="say whether a remote can be used, or why not",
        parents=[shared],
        allow_abbrev=False,
    )
    check.add_argument("location", type=_location, metavar="REMOTE:[PATH]")
    pull = actions.add_parser(
        "pull",
        help="bring a folder or a file of a remote here",
        parents=[shared],
        allow_abbrev=False,
    )
    pull.add_argument("location", type=_location, metavar="REMOTE:PATH")
    pull.add_argument("folder", type=Path, metavar="FOLDER")
    push = actions.add_parser(
        "push", help="bring a folder or a file there", parents=[shared], allow_abbrev=False
    )
    push.add_argument("folder", type=Path, metavar="FOLDER")
    push.add_argument("location", type=_location, metavar="REMOTE:PATH")
    return parser


def _shared_parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    shared.add_argument("--json", action="store_true", help="write what was done as JSON")
    shared.add_argument(
        "--driver",
        type=Driver,
        choices=list(Driver),
        default=Driver.AUTO,
        help="what moves the files; auto: rclone where it is installed, else fsspec",
    )
    shared.add_argument(
        "--connect-timeout", type=_seconds, default=_DEFAULTS.connect_s, metavar="SECONDS"
    )
    shared.add_argument(
        "--stall-timeout",
        type=_seconds,
        default=_DEFAULTS.stall_s,
        metavar="SECONDS",
        help="how long a remote may stay silent",
    )
    return shared


def _location(text: str) -> Location:
    try:
        return parse_location(text)
    except ConfigurationError as exc:
        raise argparse.ArgumentTypeError(exc.message) from None


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e6:
        raise ValueError
    return seconds


def _check(store: FileStore, remote: Remote, options: argparse.Namespace) -> int:
    store.check(options.location.path)
    if options.json:
        print(json.dumps({"remote": remote.label, "ok": True}))
    else:
        print(f"{remote.label}: can be used.")
    return 0


def _move(store: FileStore, options: argparse.Namespace) -> int:
    transfer = Transfer(store, tell=lambda path, size: None if options.json else _tell(path, size))
    if options.action == "pull":
        report = transfer.pull(options.location.path, options.folder)
    else:
        report = transfer.push(options.folder, options.location.path)
    _print(report, as_json=options.json)
    return 0 if report.is_whole else EXIT_FAILED


def _tell(path: str, size: int) -> None:
    print(f"{path!r}: {size} bytes", flush=True)


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        print(
            json.dumps(
                {
                    "ok": report.is_whole,
                    "moved": report.done,
                    "bytes": report.bytes,
                    "unchanged": report.equal,
                    "failed": report.failed,
                    "missing": report.left,
                    "passed_over": report.passed_over,
                }
            )
        )
        return
    print(
        f"{len(report.done)} files moved ({report.bytes} bytes), {len(report.equal)} were there"
        f" already, {len(report.failed) + len(report.left)} are missing."
    )
    for path in report.passed_over:
        why = "no file, or a link that is not followed"
        print(f"deepaas storage: passed over: {path!r}: {why}", file=sys.stderr)
    for path, why in report.failed.items():
        print(f"deepaas storage: missing: {path!r}: {why}", file=sys.stderr)
    for path in report.left:
        print(f"deepaas storage: missing: {path!r}, not begun", file=sys.stderr)


def _fail(status: int, message: str, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"ok": False, "error": message}))
    print(f"deepaas storage: {message}", file=sys.stderr)
    return status


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Until the block ends, a signal unwinds the stack, so that nothing is left half done."""

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
