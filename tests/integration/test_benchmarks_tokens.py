# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Finding out whose a token is costs next to nothing."""

import pytest

from benchmarks import tokens


def test_what_a_token_costs(capsys: pytest.CaptureFixture[str]) -> None:
    """Under 0.5 ms of processor time for a new one, under 0.05 ms for a known one."""
    assert tokens.main(["--count", "300"]) == 0
    lines = capsys.readouterr().out.splitlines()
    costs_ms = {line[:20].strip(): float(line[20:].split()[0]) for line in lines}
    assert costs_ms.pop("known token") < 0.05
    assert set(costs_ms) == {f"new token, {name}" for name in ("RS256", "ES256", "EdDSA")}
    assert max(costs_ms.values()) < 0.5
