# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the local orchestrator does for its clients, with the refusals of the contract."""

import asyncio
import uuid as uuids
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from deepaas.errors import InvalidDocument, InvalidInputs
from deepaas.orchestrator.local.deployer import Deployer
from deepaas.orchestrator.local.planning import Template
from deepaas.orchestrator.local.records import UPDATABLE, Deployment, Refused, Status
from deepaas.orchestrator.local.requests import DeploymentRequest, PageRequest
from deepaas.orchestrator.local.store import DeploymentStore
from deepaas.orchestrator.local.views import OWNER
from deepaas.tosca.validation import validate_text

_NEVER_UPDATED: Final = ("MARATHON", "CHRONOS", "QCG")


class Deployments:
    """The deployments of this machine.

    Args:
        store: Keeps them.
        deployer: Starts and ends them.
    """

    def __init__(self, store: DeploymentStore, deployer: Deployer) -> None:
        self._store = store
        self.deployer = deployer
        #: Deployments that a request is changing.
        self._changing: set[str] = set()

    async def create(self, request: DeploymentRequest) -> Deployment:
        """Keep a new deployment, and begin to start it.

        Raises:
            Refused: The template or a parameter is wrong.
        """
        await _template(request)
        now = datetime.now(UTC)
        deployment = Deployment(
            uuid=str(uuids.uuid4()),
            template=request.template,
            created=now,
            updated=now,
            parameters=request.parameters,
            callback=request.callback,
            user_group=request.user_group,
            timeout_mins=request.timeout_mins,
        )
        return await self.deployer.bring_up(deployment)

    async def get(self, uuid: str) -> Deployment:
        """Return a deployment.

        Raises:
            Refused: There is none of that name.
        """
        found = await self._store.get(uuid)
        if found is None:
            raise Refused(404, f"The deployment <{uuid}> doesn't exist")
        return found

    async def list(
        self, page: PageRequest, created_by: str | None, group: str | None
    ) -> tuple[list[Deployment], int]:
        """Return a page of deployments, and how many there are.

        Raises:
            Refused: Those of somebody else are asked for.
        """
        if created_by not in (None, "me"):
            _require_owner(str(created_by))
        everything = [
            deployment
            for deployment in await self._store.all(newest_first=page.newest_first)
            if group is None or deployment.user_group == group
        ]
        first = page.number * page.size
        return everything[first : first + page.size], len(everything)

    async def update(self, uuid: str, request: DeploymentRequest) -> None:
        """Replace what a deployment runs.

        Raises:
            Refused: It cannot be updated, or not now, or the template is wrong.
        """
        async with self._changed(uuid) as deployment:
            before = Template(deployment.template, deployment.parameters).providers
            for provider in _NEVER_UPDATED:
                if provider in before:
                    raise Refused(400, f"{provider} deployments cannot be updated.")
            if deployment.status not in UPDATABLE:
                raise Refused(409, f"Cannot update a deployment in {deployment.status} state")
            await _template(request)
            changed = replace(
                deployment,
                template=request.template,
                parameters=request.parameters,
                callback=request.callback or deployment.callback,
                timeout_mins=request.timeout_mins,
                status=Status.UPDATE_IN_PROGRESS,
            )
            await self.deployer.bring_up(changed)

    async def delete(self, uuid: str) -> None:
        """Begin to end all that runs of a deployment; it stays in the list.

        Raises:
            Refused: It is deleted already.
        """
        async with self._changed(uuid) as deployment:
            if deployment.status in (Status.DELETE_IN_PROGRESS, Status.DELETE_COMPLETE):
                raise Refused(409, f"Deployment already in {deployment.status} state.")
            await self.deployer.take_down(deployment)

    async def reset(self, uuid: str, status: object) -> None:
        """Give up the deletion of a deployment, so that it can be deleted again.

        Raises:
            Refused: It is not being deleted, or something else is asked for.
        """
        async with self._changed(uuid) as deployment:
            if status != Status.DELETE_FAILED:
                raise Refused(400, f"Cannot reset deployment: illegal status {status}.")
            if deployment.status != Status.DELETE_IN_PROGRESS:
                raise Refused(409, f"Cannot reset a deployment in {deployment.status} state")
            await self.deployer.give_up(deployment)

    @asynccontextmanager
    async def _changed(self, uuid: str) -> AsyncIterator[Deployment]:
        """Give a deployment that no other request changes meanwhile."""
        deployment = await self.get(uuid)
        if uuid in self._changing:
            raise Refused(
                409,
                "The request couldn't be fulfilled because of a concurrent update."
                " Please retry later",
                retry_after_s=0,
            )
        self._changing.add(uuid)
        try:
            # It may have changed while nothing kept it from that.
            yield await self.get(deployment.uuid)
        finally:
            self._changing.remove(uuid)


async def _template(request: DeploymentRequest) -> Template:
    """Return the template of a request, once it was checked.

    Raises:
        Refused: It is wrong.
    """
    try:
        template = Template(request.template, request.parameters)
    except InvalidInputs as exc:
        raise Refused(400, exc.message) from exc
    except InvalidDocument as exc:
        raise Refused(400, f"Error parsing TOSCA template: {exc.message}") from exc
    # The parser takes a good part of a second.
    if faults := await asyncio.to_thread(validate_text, request.template):
        raise Refused(400, f"Error parsing TOSCA template: {'; '.join(map(str, faults))}")
    return template


def _require_owner(created_by: str) -> None:
    subject, at, issuer = created_by.rpartition("@")
    if not (subject and at and issuer):
        raise Refused(400, f"Value {created_by} for param createdBy is illegal")
    if (subject, issuer) != (OWNER["subject"], OWNER["issuer"]):
        raise Refused(403, f"Only admin can retrieve deployments for {created_by}")
