# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a token costs is measured: `make bench` prints it."""

import pytest

from benchmarks import tokens


def test_the_cost_of_each_kind_of_token_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert tokens.main(["--count", "300"]) == 0
    lines = capsys.readouterr().out.splitlines()
    costs_ms = {line[:20].strip(): float(line[20:].split()[0]) for line in lines}
    kinds = {f"new token, {name}" for name in ("RS256", "ES256", "EdDSA")}
    assert set(costs_ms) == {"known token", *kinds}
    # Whatever the machine does: a signature costs more than a look into a table.
    assert min(costs_ms[kind] for kind in kinds) > costs_ms["known token"] > 0
