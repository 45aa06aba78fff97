# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Keys are strong, what is kept of them opens nothing, and no message shows one."""

import re
from datetime import UTC, datetime

import pytest

from deepaas.auth import Identity
from deepaas.auth.keys import id_of, make_key, read_keys, read_time, require_unique
from deepaas.errors import ConfigurationError

SOON = datetime(2027, 1, 31, 12, tzinfo=UTC)
HASH = "0" * 64
ID = "dpk_0123456789abcdef"


def test_a_key_and_what_is_kept_of_it() -> None:
    key, record = make_key("ada.b-c_d", ["train", "nights"], SOON)
    assert re.fullmatch(r"dpk_[0-9a-f]{16}_[A-Za-z0-9_-]{43}", key)
    assert record.id == id_of(key) == key[:20]
    assert record.proves(key)
    assert not record.proves(f"{key[:-1]}{'A' if key[-1] != 'A' else 'B'}")
    assert not record.proves("")
    assert record.identity == Identity(
        "key:ada.b-c_d", roles=frozenset({"train", "nights"}), expires=SOON
    )
    assert key.partition("_")[2].partition("_")[2] not in record.line + repr(record)
    assert read_keys(record.line, "x") == [record]


def test_keys_do_not_repeat() -> None:
    keys = {make_key("a")[0] for _ in range(100)}
    assert len({id_of(key) for key in keys}) == len({key[21:] for key in keys}) == 100


def test_keys_are_read_from_lines_and_between_semicolons() -> None:
    key, record = make_key("a")
    text = f"""
    # comment; with a semicolon
    a {key}
    b {ID}:sha256:{HASH} role=read,nights role=train expires=2027-01-31T12:00:00Z;;
    c dpk_1123456789abcdef:sha256:{HASH}; d dpk_2123456789abcdef:sha256:{HASH} expires=2027-01-31
    """
    a, b, c, d = read_keys(text, "x")
    assert a == record
    assert (b.name, b.id, b.expires) == ("b", ID, SOON)
    assert b.roles == {"read", "nights", "train"}
    assert (c.name, c.roles, c.expires) == ("c", frozenset(), None)
    assert (d.name, d.expires) == ("d", datetime(2027, 1, 31, tzinfo=UTC))
    assert b.is_expired(SOON)
    assert not b.is_expired(datetime(2027, 1, 31, 11, 59, tzinfo=UTC))
    assert not c.is_expired(SOON)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a", "has a name before it"),
        ("a hunter2", "is no key of DEEPaaS"),
        ("a dpk_0123456789abcdef_hunter2", "is no key of DEEPaaS"),
        (f"a {ID}:md5:{HASH}", "is no key of DEEPaaS"),
        (f"a@b {ID}:sha256:{HASH}", "the name of a key is 'a@b'"),
        (f"{'a' * 65} {ID}:sha256:{HASH}", "the name of a key"),
        (f"a {ID}:sha256:{HASH} role=Admin", "a role is 'Admin'"),
        (f"a {ID}:sha256:{HASH} role=", "a role is ''"),
        (f"a {ID}:sha256:{HASH} rolle=x", "is followed by 'rolle'"),
        (f"a {ID}:sha256:{HASH} expires=soon", "expires is 'soon'"),
        (f"a {ID}:sha256:{HASH} expires=2027-02-31", "expires is '2027-02-31'"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_without_its_secret(line: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=r"keys\.txt, line 2: ") as caught:
        read_keys(f"# one\n{line}", "keys.txt")
    assert why in caught.value.message
    assert "hunter2" not in caught.value.message


def test_a_key_in_the_place_of_a_name_is_not_shown() -> None:
    key, _ = make_key("a")
    with pytest.raises(ConfigurationError, match="the name of a key is a key") as caught:
        read_keys(f"{key} {key}", "x")
    assert key[21:] not in caught.value.message


def test_names_and_ids_are_unique() -> None:
    key, record = make_key("a")
    _, other = make_key("a")
    with pytest.raises(ConfigurationError, match="x: there are two keys named 'a'"):
        require_unique([record, other], "x")
    with pytest.raises(ConfigurationError, match=f"the key {record.id} stands there twice"):
        read_keys(f"a {key}\nb {key}", "x")


@pytest.mark.parametrize("text", ["2027-01-31T12:00:00", "2027-01-31T13:00:00+01:00"])
def test_times_are_utc(text: str) -> None:
    assert read_time(text) == SOON


def test_a_time_beyond_all_times() -> None:
    with pytest.raises(ConfigurationError, match="expires is"):
        read_time("0001-01-01T00:00:00+10:00")
