# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Replace a deployment that cannot be updated: delete it, and create it anew."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deepaas.errors import RequestFailed
from deepaas.orchestrator.asked import Asked
from deepaas.orchestrator.client import OrchestratorClient
from deepaas.orchestrator.waiting import gone


async def redeploy(
    client: OrchestratorClient,
    uuid: str,
    asked: Asked,
    saved: Path,
    limit_s: float,
    on_look: Callable[[dict[str, Any]], object],
) -> dict[str, Any]:
    """Delete a deployment, wait until it is gone, and create another one in its place.

    Args:
        client: Asks the orchestrator.
        uuid: Of the deployment; one that is gone already is taken too: this can be repeated.
        asked: What the new one is created from.
        saved: A file to which that is written before anything is deleted.
        limit_s: How long the deletion may take.
        on_look: Called with what is found at each look at what is being deleted.

    Returns:
        The new deployment.

    Raises:
        ConfigurationError: A value does not fit the template, or the file cannot be written;
            nothing was deleted.
        RequestFailed: The orchestrator refuses; the message says how to go on.
        NotInTime: The deployment is not gone within the limit; the new one was not created.
    """
    body = asked.body()
    asked.keep(saved)
    try:
        await _delete(client, uuid)
        await gone(client, uuid, limit_s, on_look)
        return await client.create(body)
    except RequestFailed as exc:
        raise RequestFailed(f"{exc.message} {how_to_go_on(saved)}", status=exc.status) from exc


def how_to_go_on(saved: Path) -> str:
    """Return what to do where the new deployment was not created."""
    return (
        f"Template and parameters are kept in {saved}: once the old deployment is gone, `deepaas"
        f" orchestrator create --request {saved}` creates the new one."
    )


async def _delete(client: OrchestratorClient, uuid: str) -> None:
    try:
        await client.delete(uuid)
    except RequestFailed as exc:
        # 404: it is gone. 409: it is being deleted, or was; which of them, the wait tells.
        if exc.status not in (404, 409):
            raise
