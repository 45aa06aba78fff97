# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Numbers become metrics, and nothing else does."""

import json
import logging

import numpy as np
import pytest

from deepaas.execution.metrics import numbers_in
from deepaas.model.encoding import json_or_repr


def test_only_the_numbers_of_a_mapping_are_metrics() -> None:
    returned = {
        "accuracy": 0.5,
        "images": 3,
        "loss": np.float32(0.25),
        "is_good": True,
        "nothing": None,
        "undefined": float("nan"),
        "by_class": {"cat": 0.1},
        "names": ["a"],
        "text": "0.5",
    }
    found = numbers_in(json_or_repr(returned).decode())
    assert found == {"accuracy": 0.5, "images": 3, "loss": 0.25}
    assert list(found) == ["accuracy", "images", "loss"]


@pytest.mark.parametrize("returned", [None, 0.5, [0.5], "text", {}, {"by_class": {"cat": 1}}])
def test_of_anything_else_there_are_none(returned: object) -> None:
    assert numbers_in(json.dumps(returned)) == {}


def test_what_is_nested_without_end_has_none() -> None:
    assert numbers_in("[" * 200_000 + "]" * 200_000) == {}


def test_a_model_that_makes_up_names_does_not_fill_the_list(
    caplog: pytest.LogCaptureFixture,
) -> None:
    many = {"x" * 129: 0, **{f"file {number}": number for number in range(1000)}}
    with caplog.at_level(logging.WARNING):
        found = numbers_in(json.dumps(many))
    assert list(found) == [f"file {number}" for number in range(256)]
    assert "745 of 1001 numbers become no metrics" in caplog.text
