# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Amounts as each format writes them: people change files, and write what is shorter."""

import re
from collections.abc import Mapping
from typing import Final

_MB: Final = 1_000_000
_DECIMAL: Final = {unit: 1000**power for power, unit in enumerate(("", "k", "M", "G", "T"))}
_BINARY: Final = {f"{unit}i": 1024**power for power, unit in enumerate("KMGT", start=1)}

#: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/; OSCAR hands
#: its own on to Kubernetes. A large K is what many write, and no checker minds.
KUBERNETES: Final = {**_DECIMAL, "K": 1000, **_BINARY}
#: https://github.com/compose-spec/compose-spec/blob/main/11-extension.md#specifying-byte-values
COMPOSE: Final = {
    unit + end: 1024**power for power, unit in enumerate(("", "k", "m", "g")) for end in ("", "b")
} | {"b": 1}
#: https://slurm.schedmd.com/sbatch.html#OPT_mem
SLURM: Final = {"": 1024**2, **{unit: 1024**power for power, unit in enumerate("kmgt", start=1)}}

_AMOUNT: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?(?:[eE][+]?[0-9]{1,2})?)([A-Za-z]*)")


def megabytes(amount: object, units: Mapping[str, int]) -> int:
    """Return how many whole 10⁶ bytes there are in an amount such as ``4000M`` or ``4e9``.

    Args:
        amount: A number, or a text that begins with one.
        units: Bytes by unit, ``KUBERNETES``, ``COMPOSE`` or ``SLURM``.

    Raises:
        ValueError: It is no such amount.
    """
    found = _AMOUNT.fullmatch(str(amount))
    if found is None or (bytes_each := units.get(found[2], units.get(found[2].lower()))) is None:
        known = ", ".join(filter(None, units))
        raise ValueError(f"{str(amount)!r} is no amount of memory; its units are {known}")
    return int(float(found[1]) * bytes_each / _MB)


def processors(amount: object) -> float:
    """Return a number of processors, which may be a part of one: ``4``, ``"0.5"``, ``"500m"``.

    Raises:
        ValueError: It is no such number.
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?)(m?)", str(amount))
    if found is None:
        raise ValueError(f"{str(amount)!r} is no number of processors")
    number = float(found[1]) / (1000 if found[2] else 1)
    return int(number) if number.is_integer() else number
