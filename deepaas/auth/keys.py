# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""API keys: how they are made, and the lines in which they are kept.

A key is ``dpk_ID_SECRET``. The id finds it without trying the others, and tells people which key
they have before them. Of the secret only SHA-256 is kept: it has 256 bits from the system's
generator, so there is nothing that a slow hash for passwords would protect, and such a one would
cost every request milliseconds.
"""

import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from hashlib import sha256
from typing import Final

from deepaas.auth.principal import Identity
from deepaas.errors import ConfigurationError

PREFIX: Final = "dpk_"
_ID: Final = re.compile(r"dpk_[0-9a-f]{16}")
_KEY: Final = re.compile(r"(dpk_[0-9a-f]{16})_[A-Za-z0-9_-]{43}", re.ASCII)
_HASHED: Final = re.compile(r"(dpk_[0-9a-f]{16}):sha256:([0-9a-f]{64})", re.ASCII)
#: Without the at sign, which the name of everybody has who signs in through an issuer.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_ROLE: Final = re.compile(r"[a-z][a-z0-9._-]{0,63}", re.ASCII)
_ID_CHARACTERS: Final = len(PREFIX) + 16


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is kept of a key."""

    #: Unique; who signs in with the key is ``key:NAME``.
    name: str
    #: ``dpk_`` and 16 hexadecimal digits.
    id: str
    #: SHA-256 of the whole key.
    digest: bytes = field(repr=False)
    roles: frozenset[str] = frozenset()
    #: From when on it is refused, ``None`` for never.
    expires: datetime | None = None

    @property
    def identity(self) -> Identity:
        """Who signs in with the key."""
        return Identity(f"key:{self.name}", roles=self.roles, expires=self.expires)

    @property
    def line(self) -> str:
        """The line in which it is kept, without the end of line."""
        words = [self.name, f"{self.id}:sha256:{self.digest.hex()}"]
        words += [f"role={','.join(sorted(self.roles))}"] if self.roles else []
        words += [f"expires={_written(self.expires)}"] if self.expires else []
        return " ".join(words)

    def proves(self, key: str) -> bool:
        """Tell whether a key of this id is this one, in a time that says nothing about it."""
        return hmac.compare_digest(digest_of(key), self.digest)

    def is_expired(self, now: datetime) -> bool:
        """Tell whether the key is refused."""
        return self.expires is not None and self.expires <= now


def digest_of(key: str) -> bytes:
    """Return what is kept of a key."""
    # Whatever a client sends in a header is to be a wrong key, and no error of ours.
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


def id_of(key: str) -> str:
    """Return what would be the id of a text that may be a key."""
    return key[:_ID_CHARACTERS]


def make_key(
    name: str, roles: Iterable[str] = (), expires: datetime | None = None
) -> tuple[str, KeyRecord]:
    """Make a key.

    Args:
        name: Unique among all keys of a service.
        roles: ``read``, ``predict``, ``train``, ``manage``, or others that rules name.
        expires: From when on it is refused, aware.

    Returns:
        The key, which nobody can find out from what is kept, and what is to be kept.

    Raises:
        ConfigurationError: The name or a role cannot be one.
    """
    key_id = PREFIX + secrets.token_hex(8)
    key = f"{key_id}_{secrets.token_urlsafe(32)}"
    found = frozenset(_checked_role(role) for role in roles)
    return key, KeyRecord(_checked_name(name), key_id, digest_of(key), found, expires)


def read_keys(text: str, where: str) -> list[KeyRecord]:
    """Read keys, one a line or between semicolons: ``NAME KEY [role=A,B] [expires=TIME]``.

    Args:
        text: Empty lines, and those that begin with ``#``, are passed over. A key stands there
            hashed, or as it is.
        where: For messages.

    Raises:
        ConfigurationError: A line cannot be read, or two have one name or id. The message never
            shows a key.
    """
    records: list[KeyRecord] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#"):
            continue
        for entry in filter(None, map(str.split, line.split(";"))):
            try:
                records.append(_record(entry))
            except ConfigurationError as exc:
                raise ConfigurationError(f"{where}, line {number}: {exc.message}") from exc
    require_unique(records, where)
    return records


def require_unique(records: Iterable[KeyRecord], where: str) -> None:
    """Check that no two keys have one name or one id.

    Raises:
        ConfigurationError: Two have.
    """
    names: set[str] = set()
    ids: set[str] = set()
    for record in records:
        if record.name in names:
            raise ConfigurationError(f"{where}: there are two keys named {record.name!r}.")
        if record.id in ids:
            raise ConfigurationError(f"{where}: the key {record.id} stands there twice.")
        names.add(record.name)
        ids.add(record.id)


def read_time(text: str) -> datetime:
    """Return the time that a text names: ISO 8601, UTC unless it says otherwise.

    Raises:
        ConfigurationError: It is none.
    """
    try:
        if len(text) == len("2027-01-01"):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise ConfigurationError(
            f"expires is {text!r}; it must be a time such as 2027-01-31 or 2027-01-31T12:00:00Z."
        ) from exc


def _record(words: list[str]) -> KeyRecord:
    if len(words) < 2:
        raise ConfigurationError("a key has a name before it: NAME KEY [role=A,B] [expires=TIME].")
    name, key, *more = words
    key_id, digest = _kept(key)
    roles: frozenset[str] = frozenset()
    expires: datetime | None = None
    for word in more:
        option, _, value = word.partition("=")
        if option == "role":
            roles |= {_checked_role(role) for role in value.split(",")}
        elif option == "expires":
            expires = read_time(value)
        else:
            raise ConfigurationError(
                f"the key {name!r} is followed by {option!r}; role= and expires= may follow."
            )
    return KeyRecord(_checked_name(name), key_id, digest, roles, expires)


def _kept(key: str) -> tuple[str, bytes]:
    if found := _HASHED.fullmatch(key):
        return found[1], bytes.fromhex(found[2])
    if found := _KEY.fullmatch(key):
        return found[1], digest_of(key)
    # Not shown: a key that is a little wrong may be one that is right elsewhere.
    raise ConfigurationError(
        "what stands behind the name is no key of DEEPaaS; `deepaas keys create` makes one."
    )


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name) or name.startswith(PREFIX):
        shown = "a key" if PREFIX in name else repr(name)
        raise ConfigurationError(
            f"the name of a key is {shown}; it must be 1 to 64 letters, digits or . _ -"
        )
    return name


def _checked_role(role: str) -> str:
    if not _ROLE.fullmatch(role):
        raise ConfigurationError(
            f"a role is {role!r}; it must be read, predict, train, manage, or another name in lower"
            " case."
        )
    return role


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
