# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Files by the program rclone, which knows some seventy kinds of remotes."""

import json
import re
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from deepaas.errors import RemoteFailed
from deepaas.storage.base import Limits, StoredFile
from deepaas.storage.faults import Reason, failure
from deepaas.storage.obscure import obscure
from deepaas.storage.parts import is_part, part_of
from deepaas.storage.remotes import Remote
from deepaas.whole import part_name

#: What it says when a remote fails; the first that fits.
_SAID: Final = (
    (r"no such host|server misbehaving|failure in name resolution", Reason.UNRESOLVED),
    (r"connection refused", Reason.REFUSED),
    (r"x509:|tls:|server gave HTTP response to HTTPS", Reason.UNTRUSTED),
    (r"\b401\b|InvalidAccessKeyId|SignatureDoesNotMatch", Reason.SIGN_IN),
    (r"\b507\b|Insufficient ?Storage|QuotaExceeded|XMinioStorageFull", Reason.FULL),
    (r"\b403\b|AccessDenied", Reason.FORBIDDEN),
    (r"is a directory not a file|409 Conflict", Reason.IN_THE_WAY),
    (r"timeout|deadline exceeded|timed out", Reason.SILENT),
    (
        r"\bEOF\b|connection reset|broken pipe|corrupted on transfer|closed (network )?conn",
        Reason.BROKEN,
    ),
    (
        r"\b404\b|NoSuch(Bucket|Key)|(directory|object) not found|Source doesn't exist",
        Reason.MISSING,
    ),
    (r"\b(405|501)\b|XML syntax error|expected element", Reason.NOT_THAT_TYPE),
    (r"\b(423|429|5\d\d)\b", Reason.BUSY),
)
#: rclone's exit statuses for a folder and a file that are not there (rclone.org/docs).
_MISSING: Final = frozenset({3, 4})


class RcloneFileStore:
    """The files of a remote; each step is a process, so that one can be ended at any time."""

    def __init__(
        self, remote: Remote, program: str, environ: Mapping[str, str], limits: Limits
    ) -> None:
        self._remote = remote
        self._limits = limits
        self._environ = _environ(environ, remote)
        self._command = (
            *(program, "--ask-password=false", "--stats=0", "--retries=1", "--low-level-retries=1"),
            *(f"--contimeout={limits.connect_s}s", f"--timeout={limits.stall_s}s"),
        )

    def check(self, path: str) -> None:
        """See :class:`~deepaas.storage.base.FileStore`."""
        if not self._json("lsjson", "--no-modtime", self._at(path), path=path):
            self._stat(path, is_empty=True)
            self._require_webdav(path)

    def find(self, path: str) -> tuple[StoredFile, ...]:
        """See :class:`~deepaas.storage.base.FileStore`."""
        listed = ("lsjson", "--recursive", "--files-only", "--no-mimetype", self._at(path))
        found = self._json(*listed, path=path)
        names = [each["Path"] for each in found]
        # It lists a file as a folder that holds it.
        is_one = names in ([], [path.rpartition("/")[2]])
        if is_one and not self._stat(path, is_empty=not names)["IsDir"]:
            return (_stored(path, found[0]),)
        if not names:
            self._require_webdav(path)
        prefix = f"{path}/" if path else ""
        files = (_stored(prefix + each["Path"], each) for each in found)
        return tuple(sorted((f for f in files if not is_part(f.path)), key=lambda file: file.path))

    def _stat(self, path: str, *, is_empty: bool) -> Any:
        """Return what it knows of a path, at which it has listed nothing or one file."""
        found = self._json("lsjson", "--stat", self._at(path), path=path)
        # Below a bucket of S3 there are no empty folders, and it takes any name for one.
        if found is None or (is_empty and self._remote.type == "s3" and "/" in path):
            raise failure(self._remote, self._limits, Reason.MISSING, path)
        return found

    def _require_webdav(self, path: str) -> None:
        """Refuse a server that says yes to everything: rclone takes a page for an empty folder."""
        if self._remote.type != "webdav":
            return
        try:
            self._stat(f"{path}/{part_name()}".lstrip("/"), is_empty=False)
        except RemoteFailed as exc:
            if exc.is_missing:
                return
            raise
        raise failure(self._remote, self._limits, Reason.NOT_THAT_TYPE, path)

    def fetch(self, path: str, target: Path) -> None:
        """See :class:`~deepaas.storage.base.FileStore`."""
        self._run("copyto", "--ignore-times", self._at(path), _here(target), path=path)

    def put(self, source: Path, path: str) -> None:
        """See :class:`~deepaas.storage.base.FileStore`."""
        # It compares the sizes itself. Nobody sees an object of S3 before all of it is there.
        part = path if self._remote.type == "s3" else part_of(path)
        try:
            self._run("copyto", "--ignore-times", _here(source), self._at(part), path=path)
            if part != path:
                self._run("moveto", "--ignore-times", self._at(part), self._at(path), path=path)
        except RemoteFailed:
            if part != path:
                self._forget(part)
            raise

    def _forget(self, part: str) -> None:
        """Remove what was begun, if it is there."""
        try:
            self._run("deletefile", self._at(part), path=part)
        except RemoteFailed:
            return

    def close(self) -> None:
        """See :class:`~deepaas.storage.base.FileStore`."""

    def _at(self, path: str) -> str:
        return f"{self._remote.name}:{path}"

    def _json(self, *arguments: str, path: str) -> Any:
        text = self._run(*arguments, path=path)
        try:
            return json.loads(text)
        except ValueError as exc:
            raise failure(
                self._remote, self._limits, Reason.UNKNOWN, path, "rclone gave no JSON"
            ) from exc

    def _run(self, *arguments: str, path: str) -> str:
        """Run it to its end and return what it printed; killed if this process is interrupted."""
        done = subprocess.run(
            [*self._command, *arguments],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise self._explain(done.returncode, done.stderr, path, arguments)
        return done.stdout

    def _explain(
        self, status: int, said: str, path: str, arguments: tuple[str, ...]
    ) -> RemoteFailed:
        if status in _MISSING:
            return failure(self._remote, self._limits, Reason.MISSING, path)
        # A name, here too, may hold any number that is a status.
        told = said
        for named in sorted(filter(None, (path, *arguments)), key=len, reverse=True):
            told = re.sub(rf"(?<!\w){re.escape(named)}(?!\w)", "", told)
        for pattern, reason in _SAID:
            if re.search(pattern, told):
                return failure(self._remote, self._limits, reason, path)
        last = self._masked(said.strip().rpartition("\n")[2]).rstrip(".")
        return failure(self._remote, self._limits, Reason.UNKNOWN, path, f"rclone says {last!r}")

    def _masked(self, text: str) -> str:
        for option, value in self._environ.items():
            if value and option in _variables(self._remote) and not _is_shown(option):
                text = text.replace(value, "***")
        return text


def _environ(environ: Mapping[str, str], remote: Remote) -> dict[str, str]:
    """Return what rclone is started with."""
    # It writes to a part of ours already; from 1.63 on it would make one more, and leave it behind
    # where it is killed.
    ours = {**environ, "RCLONE_INPLACE": "true", **_variables(remote)}
    # With this variable, S3 of rclone 1.60 fails whatever the file holds; the other it knows too.
    if (authority := ours.pop("AWS_CA_BUNDLE", "")) and remote.type == "s3":
        ours.setdefault("SSL_CERT_FILE", authority)
    return ours


def _here(path: Path) -> str:
    """Return a path of this machine that is neither an option nor a path of a remote to rclone."""
    return str(path.absolute())


def _variables(remote: Remote) -> dict[str, str]:
    """Return what tells rclone of the remote, secrets in the way in which it reads them."""
    options = {"type": remote.type, **remote.options}
    if remote.password is not None:
        options["pass"] = obscure(remote.password)
    if remote.type == "s3":
        # A bucket with a wrong name is a mistake, and not to be made.
        options.setdefault("no_check_bucket", "true")
    if options.get("url", "").rstrip("/").endswith("/remote.php/webdav"):
        # At this address a NextCloud takes no files in chunks, and rclone refuses to begin.
        options.setdefault("nextcloud_chunk_size", "0")
    return {remote.variable(option): text for option, text in options.items()}


def _is_shown(variable: str) -> bool:
    return variable.endswith(("_TYPE", "_URL", "_ENDPOINT", "_VENDOR", "_PROVIDER", "_REGION"))


def _stored(path: str, entry: Mapping[str, Any]) -> StoredFile:
    return StoredFile(path, entry["Size"], datetime.fromisoformat(entry["ModTime"]))
