# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Ways to what only the server can reach; each works where its guard is switched off."""

import socket
from ipaddress import ip_network

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from deepaas.errors import CannotFetch
from deepaas.fetching import AddressPolicy, GuardedClient
from tests.unit.fetching.host import ANYWHERE, CONTENT, Host, serving

#: In the place of the open Internet, which is not there in a test.
OUTSIDE = "127.0.0.2"
INSIDE = "127.0.0.1"
REFUSED = "The address does not lead to a public host."


async def gets_content(client: GuardedClient, url: str) -> bool:
    """Tell whether the content of the host came; all else is a refusal that tells nothing."""
    pieces: list[bytes] = []

    async def sink(data: bytes) -> None:
        pieces.append(data)

    try:
        await client.fetch(url, sink)
    except CannotFetch as exc:
        refusal = exc.message
    else:
        return b"".join(pieces) == CONTENT
    assert (refusal, pieces) == (REFUSED, [])
    return False


#: Each of them leads to the host on the loopback.
NOTATIONS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0x7f000001",
    "0x7f.0.0.0x1",
    "0x7F.1",
    "0",
    "0.0.0.0",
    "127.255.255.254",
    "localhost",
    "LOCALHOST",
    "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::1]",
    "[0000::0001]",
]


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("name", NOTATIONS)
async def test_notations_of_the_loopback(name: str, guarded: bool) -> None:
    client = GuardedClient(AddressPolicy() if guarded else ANYWHERE)
    async with serving() as host:
        assert await gets_content(client, host.url(name=name)) is not guarded
        assert bool(host.seen) is not guarded


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1"],
)
async def test_a_name_that_leads_inside(address: str, guarded: bool) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return [address]

    client = GuardedClient(AddressPolicy() if guarded else ANYWHERE, resolve=resolve)
    async with serving() as host:
        assert await gets_content(client, host.url(name="evil.example")) is not guarded


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.168.0.1",
        "64:ff9b::a9fe:a9fe",
        "fd00:ec2::254",
    ],
)
async def test_no_attempt_is_made_to_reach_what_is_special(address: str, guarded: bool) -> None:
    """What cannot be reached from here either: whether a socket for it would be made."""
    policy = AddressPolicy() if guarded else ANYWHERE
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return [address]

    if guarded:
        assert not await gets_content(
            GuardedClient(policy, resolve=resolve), "http://evil.example/"
        )
        assert asked == ["evil.example"]
    else:
        assert policy.allows("evil.example", address)


@pytest.mark.parametrize("guarded", [True, False])
async def test_one_address_of_several_leads_inside(guarded: bool) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["192.0.2.1" if not guarded else OUTSIDE, INSIDE][::-1]

    outside = AddressPolicy((ip_network(OUTSIDE),))
    client = GuardedClient(outside if guarded else ANYWHERE, resolve=resolve)
    async with serving() as host:
        assert await gets_content(client, host.url(name="evil.example")) is not guarded


def inside_by(host: Host, hops: int) -> str:
    """Return an address outside that leads inside after some redirects."""
    path = f"/to?url={host.url(name=INSIDE)}"
    for _ in range(hops - 1):
        path = f"/to?url={host.url(path, OUTSIDE).replace('?', '%3F').replace('&', '%26')}"
    return host.url(path, OUTSIDE)


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("hops", [1, 2])
async def test_a_redirect_leads_inside(hops: int, guarded: bool) -> None:
    outside = AddressPolicy((ip_network(OUTSIDE),))
    client = GuardedClient(outside if guarded else ANYWHERE)
    async with serving() as host:
        assert await gets_content(client, inside_by(host, hops)) is not guarded
        assert [path for path, _ in host.seen] == ["/to"] * hops + ["/file.txt"] * (not guarded)


# --- a name server that answers otherwise the second time


class Rebinding:
    """Answers with the outside once, and with the inside from then on."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return [OUTSIDE if self.asked == 1 else INSIDE]


class Unpinned(AbstractResolver):
    """Lets aiohttp ask for itself, as it does without a guard."""

    def __init__(self, answers: Rebinding) -> None:
        self._answers = answers

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        [address] = await self._answers(host, port)
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        pass


async def check_then_fetch(url: URL, policy: AddressPolicy, answers: Rebinding) -> None:
    """Fetch as who looks first and connects by name later."""
    [address] = await answers(url.host or "", url.port or 0)
    assert policy.allows(url.host or "", address)
    connector = aiohttp.TCPConnector(resolver=Unpinned(answers), use_dns_cache=False)
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as answer:
        assert await answer.read() == CONTENT


@pytest.mark.parametrize("guarded", [True, False])
async def test_rebinding_between_check_and_connection(guarded: bool) -> None:
    answers = Rebinding()
    outside = AddressPolicy((ip_network(OUTSIDE),))
    async with serving() as host:
        url = host.url(name="evil.example")
        if guarded:
            assert await gets_content(GuardedClient(outside, resolve=answers), url)
            assert answers.asked == 1
        else:
            await check_then_fetch(URL(url), outside, answers)
    assert host.reached_at == [OUTSIDE if guarded else INSIDE]


@pytest.mark.parametrize("guarded", [True, False])
async def test_rebinding_between_two_redirects(guarded: bool) -> None:
    outside = AddressPolicy((ip_network(OUTSIDE),))
    client = GuardedClient(outside if guarded else ANYWHERE, resolve=Rebinding())
    async with serving() as host:
        url = host.url(f"/to?url={host.url(name='evil.example')}", "evil.example")
        assert await gets_content(client, url) is not guarded
