# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A deployment is replaced, and what it was made from is never lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import ConfigurationError, RequestFailed
from deepaas.orchestrator import waiting
from deepaas.orchestrator.asked import Asked, load_asked
from deepaas.orchestrator.redeploying import redeploy
from deepaas.orchestrator.waiting import NotInTime, is_done, settled
from tests.unit.orchestrator.scripted import Said, Scripted, scripted

TEMPLATE = "topology_template: {inputs: {a: {type: integer, default: 1}}}"
ASKED = Asked(TEMPLATE, {"a": "2"})
REFUSED = Said('{"code": 400, "title": "Bad Request", "message": "no"}', 400)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_FIRST_PAUSE_S", 0.001)


def state(status: str, reason: str | None = None) -> Said:
    return Said(json.dumps({"uuid": "1", "status": status, "statusReason": reason}))


async def replaced(there: Scripted, saved: Path, limit_s: float = 60) -> dict[str, Any]:
    return await redeploy(there.client, "1", ASKED, saved, limit_s, lambda found: None)


async def test_it_is_deleted_waited_for_and_created(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    script = [Said("", 204), state("DELETE_IN_PROGRESS"), state("DELETE_COMPLETE")]
    async with scripted(*script, Said('{"uuid": "2", "status": "x"}', 201)) as there:
        assert (await replaced(there, saved))["uuid"] == "2"
        assert [line.split()[0] for line in there.asked] == ["DELETE", "GET", "GET", "POST"]
    assert load_asked(saved) == ASKED


@pytest.mark.parametrize("status", [404, 409])
async def test_what_is_gone_already_is_created(tmp_path: Path, status: int) -> None:
    script = [Said("{}", status), Said("{}", 404), Said('{"uuid": "2", "status": "x"}', 201)]
    async with scripted(*script) as there:
        assert (await replaced(there, tmp_path / "saved"))["uuid"] == "2"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ([REFUSED], "no"),
        ([Said("", 204), REFUSED], "no"),
        ([Said("", 204), state("DELETE_FAILED", "stuck")], "DELETE_FAILED: stuck"),
        ([Said("{}", 409), state("CREATE_COMPLETE")], "CREATE_COMPLETE: it gives no reason"),
        ([Said("", 204), Said("{}", 404), REFUSED], "no"),
    ],
)
async def test_what_fails_says_how_to_go_on(tmp_path: Path, script: list[Said], said: str) -> None:
    saved = tmp_path / "saved"
    async with scripted(*script) as there:
        with pytest.raises(RequestFailed) as raised:
            await replaced(there, saved)
    assert said in raised.value.message
    assert f"`deepaas orchestrator create --request {saved}`" in raised.value.message
    assert load_asked(saved) == ASKED


async def test_nothing_is_deleted_that_could_not_be_made_again(tmp_path: Path) -> None:
    async with scripted() as there:
        with pytest.raises(ConfigurationError, match="Input <a> is 'x'"):
            await redeploy(
                there.client, "1", Asked(TEMPLATE, {"a": "x"}), tmp_path / "s", 60, print
            )
        (tmp_path / "file").touch()
        with pytest.raises(ConfigurationError, match="cannot be written"):
            await replaced(there, tmp_path / "file" / "saved")
        assert there.asked == []


async def test_a_deletion_that_takes_too_long_creates_nothing(tmp_path: Path) -> None:
    async with scripted(Said("", 204), *[state("DELETE_IN_PROGRESS")] * 1000) as there:
        with pytest.raises(NotInTime):
            await replaced(there, tmp_path / "saved", 0.3)
        assert not any("POST" in line for line in there.asked)


async def test_an_orchestrator_that_restarts_is_waited_for() -> None:
    seen = []
    script = [state("CREATE_IN_PROGRESS"), Said("", 503), state("CREATE_FAILED", "why")]
    async with scripted(*script) as there:
        found = await settled(there.client, "1", 60, lambda each: seen.append(each["status"]))
    assert seen == ["CREATE_IN_PROGRESS", "CREATE_FAILED"]
    assert not is_done(found)
    assert is_done({"status": "UPDATE_COMPLETE"})
