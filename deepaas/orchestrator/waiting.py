# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Wait until a deployment has settled."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from deepaas.errors import RequestFailed
from deepaas.orchestrator.client import OrchestratorClient

_WORKING: Final = "_IN_PROGRESS"
_DONE: Final = "_COMPLETE"
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 10.0


class NotInTime(Exception):
    """A deployment has not settled within the limit."""


async def settled(
    client: OrchestratorClient,
    uuid: str,
    limit_s: float,
    on_look: Callable[[dict[str, Any]], object],
) -> dict[str, Any]:
    """Return a deployment once nothing is being done to it.

    An orchestrator that cannot be reached is asked again: it may be restarting.

    Args:
        client: Asks the orchestrator.
        uuid: Of the deployment.
        limit_s: How long to wait.
        on_look: Called with what is found at each look.

    Raises:
        NotInTime: It has not settled within the limit.
        RequestFailed: The orchestrator refuses.
    """
    pause_s = _FIRST_PAUSE_S
    try:
        async with asyncio.timeout(limit_s):
            while True:
                try:
                    deployment = await client.show(uuid)
                except RequestFailed as exc:
                    if not exc.may_pass:
                        raise
                else:
                    on_look(deployment)
                    if not deployment["status"].endswith(_WORKING):
                        return deployment
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
    except TimeoutError as exc:
        raise NotInTime from exc


def is_done(deployment: dict[str, Any]) -> bool:
    """Whether what was asked for a deployment that has settled was done."""
    return str(deployment["status"]).endswith(_DONE)


async def gone(
    client: OrchestratorClient,
    uuid: str,
    limit_s: float,
    on_look: Callable[[dict[str, Any]], object],
) -> None:
    """Wait until a deployment is deleted; whether it stays in the list does not matter.

    Raises:
        NotInTime: It is not within the limit.
        RequestFailed: The orchestrator refuses, or could not delete it.
    """
    try:
        deployment = await settled(client, uuid, limit_s, on_look)
    except RequestFailed as exc:
        if exc.status != 404:
            raise
        return
    if deployment["status"] != "DELETE_COMPLETE":
        reason = deployment.get("statusReason") or "it gives no reason"
        raise RequestFailed(
            f"The deployment {uuid} is in the state {deployment['status']}: {reason}.", status=200
        )
