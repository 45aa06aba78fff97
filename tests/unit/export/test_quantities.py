# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Amounts in the units that people write into exported files."""

from collections.abc import Mapping

import pytest

from deepaas.export.quantities import COMPOSE, KUBERNETES, SLURM, megabytes, processors


@pytest.mark.parametrize(
    ("amount", "units", "expected"),
    [
        ("4000M", KUBERNETES, 4000),
        ("4G", KUBERNETES, 4000),
        ("4Gi", KUBERNETES, 4294),
        ("4e9", KUBERNETES, 4000),
        ("1.5Ti", KUBERNETES, 1_649_267),
        (4_000_000_000, KUBERNETES, 4000),
        (4e16, KUBERNETES, 40_000_000_000),
        ("4000000k", KUBERNETES, 4000),
        ("4000000000", COMPOSE, 4000),
        ("4g", COMPOSE, 4294),
        ("4GB", COMPOSE, 4294),
        ("512m", COMPOSE, 536),
        ("4000000000b", COMPOSE, 4000),
        ("4G", SLURM, 4294),
        ("4g", SLURM, 4294),
        ("4096", SLURM, 4294),
        ("3906250K", SLURM, 4000),
    ],
)
def test_memory_is_read_in_the_units_of_each_format(
    amount: object, units: Mapping[str, int], expected: int
) -> None:
    assert megabytes(amount, units) == expected


@pytest.mark.parametrize(
    ("amount", "units"),
    [
        ("much", KUBERNETES),
        ("4GB", KUBERNETES),
        ("4Gi", COMPOSE),
        ("-4G", KUBERNETES),
        ("", COMPOSE),
        ("4g\n", COMPOSE),
        (None, SLURM),
        ("1e999", KUBERNETES),
        ("nan", KUBERNETES),
    ],
)
def test_what_is_no_amount_of_memory_is_named_with_the_units(
    amount: object, units: Mapping[str, int]
) -> None:
    with pytest.raises(ValueError, match="is no amount of memory; its units are ") as raised:
        megabytes(amount, units)
    assert repr(str(amount)) in str(raised.value)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("4", 4), (4, 4), ("4.0", 4), ("500m", 0.5), ("0.5", 0.5), (0.25, 0.25), ("2000m", 2)],
)
def test_processors_may_be_parts(amount: object, expected: float) -> None:
    assert processors(amount) == expected


def test_whole_processors_are_shown_without_a_point() -> None:
    assert str(processors("4.0")) == "4"


@pytest.mark.parametrize("amount", ["", "m", "four", "-1", "1e3", None])
def test_what_is_no_number_of_processors_is_named(amount: object) -> None:
    with pytest.raises(ValueError, match="is no number of processors"):
        processors(amount)
