# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas keys``: make, list and revoke the API keys of a file."""

import argparse
import fcntl
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deepaas.auth.keys import KeyRecord, make_key, read_keys, read_time, require_unique
from deepaas.config.sign_in import KEYS_FILE_VARIABLE, keys_file
from deepaas.config.units import age
from deepaas.errors import ConfigurationError
from deepaas.whole import written_whole

EXIT_FAILED: Final = 1
_ROLES: Final = ("read", "predict", "train", "manage")
_HEAD: Final = "# Keys of DEEPaaS, hashed; `deepaas keys` adds and removes lines.\n"


def main(argv: Sequence[str]) -> int:
    """Do what was asked.

    Returns:
        0: done; 1: the file cannot be used, or has no such key, or has one of that name.
    """
    options = make_parser().parse_args(argv)
    try:
        path = keys_file(options.file or "", "--file")
        if path is None:
            raise ConfigurationError(f"name the file of keys with --file or {KEYS_FILE_VARIABLE}.")
        _ACTIONS[options.action](path, options)
    except ConfigurationError as exc:
        print(f"deepaas keys: {exc.message}", file=sys.stderr)
        return EXIT_FAILED
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(
        prog="deepaas keys", description="Make, list and revoke API keys.", allow_abbrev=False
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--file", metavar="PATH", help=f"the file of keys, or {KEYS_FILE_VARIABLE}")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser(
        "create", help="make a key, and print it once", parents=[shared], allow_abbrev=False
    )
    create.add_argument("--name", required=True, help="whose it is; unique")
    create.add_argument(
        "--role",
        action="append",
        default=[],
        metavar="ROLE",
        help=f"{', '.join(_ROLES)} (each includes those before it), or one that rules name;"
        " may be repeated",
    )
    create.add_argument(
        "--expires", default="", metavar="WHEN", help="an age such as 90d, or a time: 2027-01-31"
    )
    actions.add_parser("list", help="list the keys", parents=[shared], allow_abbrev=False)
    revoke = actions.add_parser("revoke", help="remove a key", parents=[shared], allow_abbrev=False)
    revoke.add_argument("name", metavar="NAME", help="of the key")
    return parser


def _create(path: Path, options: argparse.Namespace) -> None:
    key, record = make_key(options.name, options.role, _expires(options.expires))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise _unusable(path.parent, exc) from exc
    with _locked(path) as target:
        text = _read(target, missing=_HEAD)
        require_unique([*read_keys(text, str(path)), record], str(path))
        end = "" if not text or text.endswith("\n") else "\n"
        _write(target, f"{text}{end}{record.line}\n")
    print(key)
    if not record.roles:
        _tell(f"The key has no role: it may do what rules allow to key:{record.name}.")
    for role in sorted(record.roles.difference(_ROLES)):
        _tell(f"The role {role!r} allows nothing by itself; rules may name role:{role}.")
    _tell("Keep it now: it is shown once, and the file has only its hash.")


def _list(path: Path, options: argparse.Namespace) -> None:
    now = datetime.now(UTC)
    rows = [("NAME", "ID", "ROLES", "EXPIRES")]
    rows += [_row(record, now) for record in read_keys(_read(path), str(path))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _row(record: KeyRecord, now: datetime) -> tuple[str, str, str, str]:
    ends = "never" if record.expires is None else f"{record.expires:%Y-%m-%d %H:%M}"
    if record.is_expired(now):
        ends += " (expired)"
    return record.name, record.id, ",".join(sorted(record.roles)) or "-", ends


def _revoke(path: Path, options: argparse.Namespace) -> None:
    with _locked(path) as target:
        text = _read(target)
        if all(record.name != options.name for record in read_keys(text, str(path))):
            raise ConfigurationError(
                f"{path} has no key named {options.name!r}; `deepaas keys list` shows those it has."
            )
        _write(target, "".join(_without(text, options.name)))
    _tell(f"Revoked {options.name!r}; a service that reads the file refuses it within a second.")


def _without(text: str, name: str) -> Iterator[str]:
    """Yield the lines of a file but for one key; comments and the order stay."""
    for line in text.splitlines(keepends=True):
        entries = [] if line.lstrip().startswith("#") else line.split(";")
        kept = [entry for entry in entries if entry.split()[:1] != [name]]
        if len(kept) == len(entries):
            yield line
        elif any(entry.strip() for entry in kept):
            yield ";".join(kept).rstrip("\n") + "\n"


def _expires(text: str) -> datetime | None:
    """Return when a key ends: in so many days, or at a time.

    Raises:
        ConfigurationError: The text says neither.
    """
    if not text:
        return None
    now = datetime.now(UTC)
    if "-" in text:
        ends = read_time(text)
    else:
        lasts = age("--expires", text)
        if lasts is None:
            raise ConfigurationError(f"--expires is {text!r}; leave it out for a key without end.")
        ends = now + lasts
    if ends <= now:
        raise ConfigurationError(f"--expires is {text!r}; that has passed.")
    return ends


@contextmanager
def _locked(path: Path) -> Iterator[Path]:
    """Give the file itself, not a link to it, while nobody else changes files of its folder.

    The folder is locked and not the file, which every change replaces.
    """
    target = path.resolve()
    try:
        fd = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as exc:
        raise _unusable(target.parent, exc) from exc
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield target
    finally:
        os.close(fd)


def _read(path: Path, missing: str | None = None) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as exc:
        if missing is not None:
            return missing
        raise _unusable(path, exc) from exc
    except OSError as exc:
        raise _unusable(path, exc) from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{path} is no text, and so no file of keys.") from exc


def _write(path: Path, text: str) -> None:
    """Replace the file, whole or not at all; a new one is for its owner alone.

    Who may read one that was there stays as it is, and the file too where that cannot be: a service
    that could not read what has changed would go on with the keys that it knows.
    """
    try:
        with written_whole(path, mode=0o600) as temporary:
            temporary.write_text(text, "utf-8")
            with suppress(FileNotFoundError):
                before = path.stat()
                os.chown(temporary, before.st_uid, before.st_gid)
                temporary.chmod(stat.S_IMODE(before.st_mode))
    except OSError as exc:
        raise _unusable(path, exc) from exc


def _unusable(path: Path, exc: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path} cannot be used: {exc.strerror or exc}.")


def _tell(text: str) -> None:
    """Say something beside the key, which stands on standard output alone."""
    print(text, file=sys.stderr)


_ACTIONS: Final[dict[str, Callable[[Path, argparse.Namespace], None]]] = {
    "create": _create,
    "list": _list,
    "revoke": _revoke,
}
