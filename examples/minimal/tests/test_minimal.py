# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The minimal model describes DNA and its declaration refuses what is none."""

from typing import Any

import minimal
import pytest
from marshmallow import Schema, ValidationError


def load(**arguments: Any) -> Any:
    """Validate arguments as the server does before it calls the model."""
    return Schema.from_dict(minimal.get_predict_args())().load(arguments)


def test_metadata_has_the_usual_keys() -> None:
    assert {"id", "name", "description", "author", "license", "version"} <= set(
        minimal.get_metadata()
    )


def test_a_sequence_is_described() -> None:
    assert minimal.predict(**load(sequence="GATTACA")) == {
        "length": 7,
        "gc_content": 2 / 7,
        "reverse_complement": "TGTAATC",
    }


def test_case_and_a_final_newline_do_not_matter() -> None:
    assert minimal.predict(**load(sequence="gcgc\n")) == {
        "length": 4,
        "gc_content": 1.0,
        "reverse_complement": "GCGC",
    }


def test_the_reverse_complement_of_the_reverse_complement_is_the_sequence() -> None:
    once = minimal.predict("AACGTGC")["reverse_complement"]
    assert minimal.predict(once)["reverse_complement"] == "AACGTGC"


@pytest.mark.parametrize("sequence", ["", "\n", "GAUUACA", "GAT TACA", "A" * 100_001])
def test_what_is_no_dna_is_refused(sequence: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        load(sequence=sequence)
    assert isinstance(refusal.value.messages, dict)
    assert set(refusal.value.messages) == {"sequence"}


def test_the_sequence_is_required() -> None:
    with pytest.raises(ValidationError, match="Missing data for required field"):
        load()
