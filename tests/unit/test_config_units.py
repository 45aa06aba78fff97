# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Sizes and ages are read with their units, and what is none is named."""

from datetime import timedelta

import pytest

from deepaas.config.units import age, size
from deepaas.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", 0),
        ("0", 0),
        ("0.0 GB", 0),
        ("1000", 1000),
        ("10b", 10),
        ("2 kB", 2000),
        ("1.5MB", 1_500_000),
        ("3GiB", 3 * 1024**3),
        ("4tib", 4 * 1024**4),
        ("123456789012345", 123_456_789_012_345),
    ],
)
def test_a_size(text: str, found: int) -> None:
    assert size("x", text) == found


@pytest.mark.parametrize("text", ["many", "-1", "1 XB", "1e3", "GB", "1.", "٣", "1GB 2"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        size("jobs-max-size", text)
    assert caught.value.message.startswith(f"jobs-max-size is {text!r}; ")


@pytest.mark.parametrize("text", ["0.5", "0.9b", "0.0001 kB"])
def test_less_than_a_byte_is_not_taken_for_no_limit(text: str) -> None:
    with pytest.raises(ConfigurationError, match="at least one byte, or 0"):
        size("jobs-max-size", text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", None),
        ("0", None),
        ("0d", None),
        ("30d", timedelta(days=30)),
        ("1.5 h", timedelta(minutes=90)),
        ("2W", timedelta(weeks=2)),
        ("90m", timedelta(minutes=90)),
        ("5s", timedelta(seconds=5)),
    ],
)
def test_an_age(text: str, found: timedelta | None) -> None:
    assert age("x", text) == found


@pytest.mark.parametrize("text", ["30", "a month", "1y", "-1d", "365001d", "999999999999999w"])
def test_what_is_no_age(text: str) -> None:
    """A number without a unit is none: who means days would lose what is 30 seconds old."""
    with pytest.raises(ConfigurationError) as caught:
        age("jobs-max-age", text)
    assert caught.value.message.startswith(f"jobs-max-age is {text!r}; ")


def test_what_looks_like_months_is_not_taken_for_minutes() -> None:
    with pytest.raises(ConfigurationError) as caught:
        age("jobs-max-age", "6M")
    assert caught.value.message == (
        "jobs-max-age is '6M'; minutes are m, and months have no unit: 30 days are 30d."
    )


def test_less_than_can_be_measured_is_not_taken_for_no_limit() -> None:
    with pytest.raises(ConfigurationError, match="must be longer, or 0"):
        age("jobs-max-age", "0.0000001s")
