# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Values to JSON and back, with orjson and without."""

import importlib.util
import io
import json
import sys
from collections import OrderedDict, UserDict, defaultdict, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from math import inf, isnan
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from deepaas.errors import InvalidAnswer
from deepaas.model import jsonform as with_orjson

Pair = namedtuple("Pair", "first second")


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@dataclass
class Box:
    width: float
    colour: Colour
    _cache: int = 0


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class LooksLikeAnArray:
    def tolist(self) -> Any:
        raise RuntimeError("not on this device")


class ItemIsItself:
    def item(self) -> Any:
        return ItemIsItself()


def load_without_orjson() -> ModuleType:
    saved = sys.modules["orjson"]
    sys.modules["orjson"] = None  # type: ignore[assignment]
    try:
        spec = importlib.util.spec_from_file_location("jsonform_plain", with_orjson.__file__)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.modules["orjson"] = saved


@pytest.fixture(params=["orjson", "standard library"])
def form(request: pytest.FixtureRequest) -> ModuleType:
    return with_orjson if request.param == "orjson" else load_without_orjson()


def numbers() -> Iterator[int]:
    yield 1
    yield 2


class Tensor:
    """What torch's look like: on a device, with a gradient, and of types that numpy lacks."""

    def __init__(self, values: Any, *, is_ready: bool = False, has_numpy: bool = True) -> None:
        self._values = np.asarray(values)
        self._is_ready = is_ready
        self._has_numpy = has_numpy

    def detach(self) -> "Tensor":
        return Tensor(self._values, has_numpy=self._has_numpy)

    def cpu(self) -> "Tensor":
        return Tensor(self._values, is_ready=True, has_numpy=self._has_numpy)

    def numpy(self) -> Any:
        if not self._has_numpy:
            raise TypeError("got unsupported ScalarType BFloat16")
        if not self._is_ready:
            raise RuntimeError("it requires a gradient, or lies elsewhere")
        return self._values

    def tolist(self) -> Any:
        return self._values.tolist()


class EagerTensor:
    """What those of tensorflow look like."""

    def numpy(self) -> Any:
        return np.array([[1.5]])


class Rows:
    """What a table of polars looks like."""

    columns = ("a",)

    def to_dicts(self) -> list[dict[str, Any]]:
        return [{"a": 1}, {"a": None}]


class LooksLikeATable:
    columns = ("a",)

    def to_dict(self) -> dict[str, Any]:
        return {}


class LooksLikeATensor:
    def numpy(self) -> Any:
        raise RuntimeError("a symbolic tensor has no values")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (LooksLikeATable(), "LooksLikeATable at 'the top'"),
        (LooksLikeATensor(), "LooksLikeATensor at 'the top'"),
        (pd.DataFrame, "type at"),
        (Tensor, "type at"),
        ({"a": [{"x": object()}]}, r"object at 'a\[0\]\.x'"),
        (b"png", "bytes at 'the top'; encode it as base64"),
        ([1, {2, b"x"}], r"bytes at '\[1\]\[\d\]'"),
        (LooksLikeAnArray(), "LooksLikeAnArray at 'the top'"),
        (ItemIsItself(), "ItemIsItself"),
        (np.ndarray, "type at"),
        (io.BytesIO(b"png"), "BytesIO at"),
        (timedelta(seconds=1), "timedelta at"),
        (Box, "type at"),
    ],
)
def test_what_cannot_be_json_is_named_with_its_place(
    form: ModuleType, value: Any, text: str
) -> None:
    with pytest.raises(InvalidAnswer, match=text):
        form.encode_json(value)


def test_what_contains_itself_is_refused(form: ModuleType) -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(InvalidAnswer, match="containing itself"):
        form.encode_json(endless)
    assert json.loads(form.json_or_repr(endless)) == "[[...]]"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("é", "é"),
        ("half \ud800", "half \ud800"),
        ([float("nan"), float("inf"), 1.5], [None, None, 1.5]),
        ({"n": 2**70, "m": -(2**70)}, {"n": 2**70, "m": -(2**70)}),
        (
            {1: "a", None: "b", False: "c", 1.5: "d"},
            {"1": "a", "null": "b", "false": "c", "1.5": "d"},
        ),
        ({(1, 2): "a", Colour.RED: "b"}, {"(1, 2)": "a", "red": "b"}),
        ({np.int64(4): 1}, {"4": 1}),
        ({1, 2}, [1, 2]),
        (frozenset({"x"}), ["x"]),
        (Pair(1, (2, 3)), [1, [2, 3]]),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (UserDict(a=UserDict()), {"a": {}}),
        ({"a": 1}.keys(), ["a"]),
        (Box(1.0, Colour.RED), {"width": 1.0, "colour": "red"}),
        ([Colour.RED, Level.HIGH], ["red", 3]),
        (datetime(2026, 1, 2, 3, 4, 5, 6), "2026-01-02T03:04:05.000006"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        ([date(2026, 1, 2), time(1, 2)], ["2026-01-02", "01:02:00"]),
        (time(1, 2, tzinfo=UTC), "01:02:00+00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ([Decimal("1.5"), Decimal("NaN")], [1.5, None]),
        (Path("/x"), "/x"),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.array([1.0, np.nan]), [1.0, None]),
        (np.arange(3, dtype=">i4"), [0, 1, 2]),
        (np.arange(6)[::2], [0, 2, 4]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([{1}, None]), [[1], None]),
        ([np.float32(0.5), np.int8(3), np.bool_(True), np.str_("x")], [0.5, 3, True, "x"]),
        (np.float64("nan"), None),
        (np.array(["2026-01-02"], dtype="M8[ns]"), ["2026-01-02T00:00:00"]),
        (np.float16(2), 2.0),
        (np.datetime64("2026-01-02T03:04:05.123456789"), "2026-01-02T03:04:05.123456"),
        *(
            (np.array(["2026-01-05", "NaT"], dtype=f"M8[{unit}]"), ["2026-01-05T00:00:00", None])
            for unit in ("D", "h", "m", "s", "ms", "us", "ns")
        ),
        ([np.datetime64("NaT", "ns"), np.datetime64(0, "s")], [None, "1970-01-01T00:00:00"]),
        ({"t": Tensor([[1.0, np.nan]])}, {"t": [[1.0, None]]}),
        (Tensor([1, 2], has_numpy=False), [1, 2]),
        ([Tensor(7), 2**64], [7, 2**64]),
        (EagerTensor(), [[1.5]]),
        (pd.Series([1.0, None]), [1.0, None]),
        (pd.Series([1, None], dtype="Int64"), [1, None]),
        (pd.Index(["a"]), ["a"]),
        (pd.Categorical(["a", "b"]), ["a", "b"]),
        ([pd.NaT, pd.NA], [None, None]),
        (
            pd.DataFrame(
                {"n": [1, 2], "t": ["x", None], "when": pd.to_datetime(["2026-01-02", None])}
            ),
            [
                {"n": 1, "t": "x", "when": "2026-01-02T00:00:00"},
                {"n": 2, "t": None, "when": None},
            ],
        ),
        ({"empty": pd.DataFrame()}, {"empty": []}),
        (Rows(), [{"a": 1}, {"a": None}]),
        ({"scores": np.array([0.5]), "big": 2**64}, {"scores": [0.5], "big": 2**64}),
    ],
)
def test_values_are_encoded_as_what_they_stand_for(
    form: ModuleType, value: Any, expected: Any
) -> None:
    encoded = form.encode_json(value)

    assert isinstance(encoded, bytes)
    assert json.loads(encoded) == expected


def test_iterators_are_read_once_and_completely(form: ModuleType) -> None:
    assert form.encode_json(numbers()) == b"[1,2]"
    assert form.encode_json([numbers(), 2**64]) == b"[[1,2],18446744073709551616]"
    assert form.json_or_repr([numbers(), int]) == b"[[1,2],\"<class 'int'>\"]"


def test_deep_but_finite_nesting_is_encoded(form: ModuleType) -> None:
    value: list[Any] = []
    for _ in range(400):
        value = [value]

    assert form.encode_json(value) == b"[" * 401 + b"]" * 401


def test_text_is_utf_8_without_spaces(form: ModuleType) -> None:
    assert form.encode_json({"ä": [1, 2]}) == '{"ä":[1,2]}'.encode()


def test_what_is_shown_is_the_same_in_each_process(form: ModuleType) -> None:
    words = {f"word {number}" for number in range(20)}
    assert form.json_safe({"words": words}) == {"words": sorted(words)}
    assert form.json_safe(frozenset({1, "b"})) == ["b", 1]
    assert form.json_safe([object()]) == ["<object object>"]
    assert list(form.in_order({"b": 1, "a": 2}.keys())) == ["b", "a"]


def test_results_show_the_repr_of_the_rest(form: ModuleType) -> None:
    shown = json.loads(
        form.json_or_repr({"model": object, "when": date(2026, 1, 2), "raw": b"\x00" * 1000})
    )

    assert shown["model"] == "<class 'object'>"
    assert shown["when"] == "2026-01-02"
    assert len(shown["raw"]) == form.MAX_REPR_CHARACTERS
    assert shown["raw"].endswith("…")
    assert "Unspeakable object>" in json.loads(form.json_or_repr(Unspeakable()))
    assert form.json_or_repr([1]) == b"[1]"


def test_json_safe_gives_plain_values(form: ModuleType) -> None:
    assert form.json_safe({"a": (1, {2}), "b": Colour.RED, "c": int}) == {
        "a": [1, [2]],
        "b": "red",
        "c": "<class 'int'>",
    }
    endless: list[Any] = []
    endless.append(endless)
    assert form.json_safe(endless) == "[[...]]"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[NaN",
        b"[nan]",
        b"\xff",
        b"[" * 100_000 + b"]" * 100_000,
        b"[NaN" + b"[" * 100_000 + b"]" * 100_001,
        b'["\\uD800", NaN]',
    ],
)
def test_what_is_not_json_is_refused(form: ModuleType, text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the decoder says
        form.decode_json(text)


def test_numbers_that_json_lacks_are_what_python_reads(form: ModuleType) -> None:
    (value,) = form.decode_json(b"[NaN]")
    assert isnan(value)
    assert form.decode_json(b'{"a": [Infinity, -Infinity, 1e400]}') == {"a": [inf, -inf, inf]}
    assert form.decode_json(b'["\\ud83d\\ude00", Infinity]') == ["\U0001f600", inf]


def test_bytes_and_views_are_decoded(form: ModuleType) -> None:
    assert form.decode_json(b'{"a": [1, null]}') == {"a": [1, None]}
    assert form.decode_json(memoryview('"é"'.encode())) == "é"
    assert form.decode_json(str(2**70).encode(), exact=True) == 2**70
