# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The local orchestrator as a whole: its parts opened, connected and closed."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from deepaas.errors import ConfigurationError
from deepaas.orchestrator.local.access import Access, is_loopback
from deepaas.orchestrator.local.app import make_app
from deepaas.orchestrator.local.callbacks import Callbacks
from deepaas.orchestrator.local.deployer import Deployer, Place
from deepaas.orchestrator.local.records import Deployment
from deepaas.orchestrator.local.service import Deployments
from deepaas.orchestrator.local.store import DeploymentStore
from deepaas.orchestrator.local.views import deployment_view


@asynccontextmanager
async def serving(place: Place, token: str | None, address: str, port: int) -> AsyncIterator[str]:
    """Serve until the block is left, and end every process of every deployment then.

    Args:
        place: Where deployments live, and by which rules.
        token: The one that signs in; ``None`` takes any.
        address: Of this machine's loopback.
        port: 0 takes a free one.

    Yields:
        The address to give to clients.

    Raises:
        ConfigurationError: The address is not loopback, or taken; or the folder is in use.
        StorageUnavailable: The folder cannot be used.
    """
    if not is_loopback(address):
        raise ConfigurationError(
            f"{address!r} is not loopback: whoever reaches this orchestrator starts programs here."
        )
    async with AsyncExitStack() as stack:
        store = await DeploymentStore.open(place.state_dir)
        stack.push_async_callback(store.close)
        callbacks = Callbacks()
        stack.push_async_callback(callbacks.close)

        def tell(deployment: Deployment) -> None:
            if deployment.callback is not None:
                callbacks.post(deployment.callback, deployment_view(deployment, None))

        deployer = Deployer(place, store, tell)
        stack.push_async_callback(deployer.close)
        runner = web.AppRunner(
            make_app(Deployments(store, deployer), Access(token)), handle_signals=False
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, address, port)
        try:
            await site.start()
        except OSError as exc:
            raise ConfigurationError(f"{address}:{port} cannot be listened on: {exc}.") from exc
        await deployer.recover()
        host = f"[{address}]" if ":" in address else address
        yield f"http://{host}:{runner.addresses[0][1]}"
