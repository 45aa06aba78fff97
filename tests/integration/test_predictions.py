# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Predictions of real servers: whatever happens to a worker, every call ends, and is not lost."""

from pathlib import Path

import pytest

from tests.integration.harness import serve


@pytest.mark.row("F03")
@pytest.mark.parametrize("how", ["sigkill", "segfault", "os._exit", "sys.exit"])
def test_a_worker_that_ends_in_a_call_gives_503_and_is_replaced(how: str, tmp_path: Path) -> None:
    with serve("killed_in_predict", tmp_path) as server:
        before = server.predict("killed_in_predict").json["predictions"]["pid"]
        died = server.predict("killed_in_predict", how=how)
        assert died.status == 503
        assert died.took_s < 10
        after = server.predict("killed_in_predict")
        assert after.status == 200
        assert after.json["predictions"]["pid"] != before
