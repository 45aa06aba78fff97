# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The argument ``accept``."""

import pytest

from deepaas.errors import InvalidArguments
from deepaas.model.accept import AcceptRule, negotiate

JSON, PNG, HTML = "application/json", "image/png", "text/html;charset=utf-8"


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("audio/*", None),
        ("", None),
        ("application/json;q=0, image/png;q=0, text/html;q=0", None),
        ("garbage", None),
        ("/png, image/", None),
        ("image/png;q=high", None),
        ("image/png;q=7", None),
        ("application/json, image/png", JSON),
        ("image/png, application/json", JSON),
        ("image/png, application/json;q=0.9", PNG),
        ("IMAGE/PNG", PNG),
        ("image/*;q=0.5, application/json;q=0.1", PNG),
        ("*/*", JSON),
        ("*/*;q=0.8, application/json;q=0.1", PNG),
        ("*/*, application/json;q=0", PNG),
        ("text/html", HTML),
        ('text/html; charset="UTF-8"', HTML),
        ("text/html;level=1, image/png;q=0.1", PNG),
        ("text/html;q=0.2, text/html;charset=utf-8;q=0.9, image/png;q=0.5", HTML),
    ],
)
def test_negotiation(header: str, chosen: str | None) -> None:
    assert negotiate(header, [JSON, PNG, HTML]) == chosen


def test_a_choice_that_is_no_media_type_is_never_negotiated() -> None:
    assert negotiate("*/*", ["png", PNG]) == PNG


def test_a_header_that_nothing_fits() -> None:
    rule = AcceptRule("accept", (JSON, PNG), is_header=True)

    with pytest.raises(InvalidArguments) as caught:
        rule.resolve("audio/mpeg")
    assert caught.value.messages == {"accept": [f"Must be one of: {JSON}, {PNG}."]}


@pytest.mark.parametrize("is_header", [True, False])
def test_anything_means_the_first_choice(is_header: bool) -> None:
    rule = AcceptRule("accept", (PNG, JSON), is_header, default=JSON)

    assert rule.resolve(" */* ") == PNG


def test_an_ordinary_argument_is_left_to_its_field() -> None:
    rule = AcceptRule("accept", (JSON, PNG), is_header=False)

    assert rule.resolve("audio/mpeg") == "audio/mpeg"
    assert rule.resolve([JSON]) == [JSON]
    assert rule.resolve(None) is None


@pytest.mark.parametrize(
    ("header", "default", "value"),
    [
        ("image/webp;q=0.2, image/png", None, "image/png"),
        ("text/html, */*", "text/csv", "text/html"),
        ("*/*, text/html;q=0.4", "text/csv", "text/csv"),
        ("image/*", None, "*/*"),
        ("garbage", "text/csv", "text/csv"),
        ("*/*", None, "*/*"),
    ],
)
def test_without_choices_the_client_is_believed(
    header: str, default: str | None, value: str
) -> None:
    assert AcceptRule("accept", (), is_header=True, default=default).resolve(header) == value


def test_without_choices_an_ordinary_argument_is_any_text() -> None:
    assert AcceptRule("accept", (), is_header=False).resolve("a,b") == "a,b"
