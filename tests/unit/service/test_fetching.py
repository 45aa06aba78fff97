# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model gets what an address leads to as if a client had uploaded it, in every kind of call."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from deepaas.auth import Policy, Principal
from deepaas.config import FetchSettings
from deepaas.errors import InvalidArguments, MalformedBody, StorageUnavailable
from deepaas.execution.messages import memory_file
from deepaas.records import Argument, CallInput, Job, ModelSource, SourceKind, UploadedFile
from deepaas.service import Service
from deepaas.service.fetching import UrlFetcher, name_of
from deepaas.service.incoming import Incoming
from deepaas.testing import InMemoryJobStore
from tests.unit.fetching.host import CONTENT, Host, serving
from tests.unit.parts import ROOT, echo_service, ended, until

FETCHES = ModelSource("fetches", SourceKind.ENTRY_POINT, "tests.unit.fetches")
WHO = Principal("me", frozenset(Policy))
ALLOWED = FetchSettings(networks=(ip_network("127.0.0.1/32"),))
TEXT = CONTENT.decode()
REFUSED = ["The address does not lead to a public host."]


@dataclass
class Scene:
    """A service, its store, and a host to fetch from."""

    service: Service
    store: InMemoryJobStore
    host: Host

    async def predict(self, incoming: Incoming) -> Any:
        """Return what the model answered."""
        got = await self.service.predictions.predict("fetches", incoming, request_id="r")
        return json.loads(got.body or b"")["predictions"]

    async def refusal(self, incoming: Incoming) -> Any:
        """Return what a client is told."""
        with pytest.raises(InvalidArguments) as caught:
            await self.predict(incoming)
        assert os.listdir(self.service.uploads) == []
        return caught.value.messages

    def shown(self, name: str, original: str | None = "file.txt") -> dict[str, Any]:
        """Return what the model is to say of a file."""
        return {
            "content": TEXT,
            "suffix": Path(original or "").suffix,
            "name": name,
            "original": original,
            "type": "text/plain; charset=utf-8",
        }


@asynccontextmanager
async def scene(tmp_path: Path, fetching: FetchSettings = ALLOWED) -> AsyncIterator[Scene]:
    """Open all of it; when it closes, no file is there any more."""
    store = InMemoryJobStore()
    async with (
        serving() as host,
        echo_service(tmp_path, source=FETCHES, store=store, fetching=fetching) as service,
    ):
        yield Scene(service, store, host)
        await until(lambda: not os.listdir(service.uploads))


def query(**pairs: str) -> Incoming:
    return Incoming(CallInput(query=tuple(pairs.items())))


def body(value: Any) -> Incoming:
    return Incoming(CallInput(body=json.dumps(value).encode()))


async def test_each_place_and_form_of_an_address(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        url = s.host.url()
        image = {"image": s.shown("image")}
        assert await s.predict(query(image=url)) == image
        assert await s.predict(Incoming(CallInput(form=(("image", url),)))) == image
        assert await s.predict(body({"image": url})) == image
        assert await s.predict(Incoming(CallInput(headers=(("Wired-Url", url),)))) == {
            "wired": s.shown("wired-url")
        }
        both = [s.shown("many"), s.shown("many", "b.png")]
        pair = (("many", url), ("many", s.host.url("/b.png")))
        assert await s.predict(Incoming(CallInput(query=pair))) == {"many": both}
        assert await s.predict(body({"many": [each for _, each in pair]})) == {"many": both}
        assert await s.predict(query(parted=f"{url}|{url}")) == {"parted": [s.shown("parted")] * 2}
        assert await s.predict(query(one_type=url)) == {"one_type": s.shown("one_type")}
        s.host.seen.clear()
        assert await s.predict(query(plain=url, number="1", fetch="true")) == {
            "plain": url,
            "number": 1,
            "fetch": True,
        }
        assert await s.predict(Incoming()) == {}
        assert s.host.seen == []


async def test_jobs_keep_what_was_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    async with scene(tmp_path) as s:
        jobs: list[Job] = [
            await s.service.jobs.train(
                "fetches", query(image=s.host.url()), principal=WHO, request_id="r"
            ),
            await s.service.evaluations.start(
                "fetches", query(image=s.host.url()), principal=WHO, request_id="r"
            ),
            await s.service.queue.accept(
                "fetches", query(image=s.host.url()), principal=WHO, request_id="r"
            ),
        ]
        s.host.seen.clear()
        for job in jobs:
            assert json.loads(job.arguments) == {
                "image": ["image", "text/plain; charset=utf-8", "file.txt"]
            }
        for job in jobs[:2]:
            done = await ended(s.store, job)
            assert json.loads(done.result or "null") == {"image": s.shown("image")}
        again = await s.service.jobs.retry("fetches", jobs[0].id, principal=WHO, request_id="r")
        assert (await ended(s.store, again)).result == (await s.store.get(jobs[0].id)).result
        await ended(s.store, jobs[2])
        kept = await s.service.queue.result("fetches", jobs[2].id, WHO)
        assert kept.prediction is not None
        assert kept.prediction.fd is not None
        with open(kept.prediction.fd, "rb") as file:
            assert json.load(file)["predictions"] == {"image": s.shown("image")}
        assert s.host.seen == []


async def test_a_key_that_comes_again_fetches_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        asked = {"principal": WHO, "request_id": "r", "key": "k"}
        first = await s.service.queue.accept("fetches", query(image=s.host.url()), **asked)  # type: ignore[arg-type]
        s.host.seen.clear()
        second = await s.service.queue.accept("fetches", query(image=s.host.url()), **asked)  # type: ignore[arg-type]
        assert (second.id, s.host.seen) == (first.id, [])
        await ended(s.store, first)


async def test_what_is_refused(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        url = s.host.url()
        inside = s.host.url(name="127.0.0.2")
        assert await s.refusal(query(image=inside)) == {"image": REFUSED}
        assert await s.refusal(query(parted=f"{url}|{inside}")) == {"parted": REFUSED}
        s.host.seen.clear()
        # Nothing is fetched for a call that is wrong anyway.
        assert await s.refusal(query(image=url, number="x")) == {"number": ["Not a valid integer."]}
        assert await s.refusal(body({"image": 7})) == {"image": ["Not a valid URL."]}
        assert await s.refusal(body({"image": "ftp:"})) == {"image": ["Not a valid URL."]}
        assert await s.refusal(body({"many": [url] * 33})) == {
            "many": ["At most 32 addresses are fetched for one call."]
        }
        with pytest.raises(MalformedBody):
            await s.predict(Incoming(CallInput(body=b"{")))
        assert s.host.seen == []
        assert await s.refusal(query(typed=url)) == {
            "typed": ["The content is text/plain; it must be image/*."]
        }


async def test_limits_hold_for_a_call_as_a_whole(tmp_path: Path) -> None:
    size = len(CONTENT)
    async with scene(tmp_path, replace(ALLOWED, max_bytes=2 * size)) as s:
        url = s.host.url()
        assert len((await s.predict(body({"many": [url] * 2})))["many"]) == 2
        [message] = (await s.refusal(body({"many": [url] * 3})))["many"]
        assert message.startswith("The content is larger than")
    async with scene(tmp_path, replace(ALLOWED, timeout_s=0.05)) as s:
        assert await s.refusal(query(image=s.host.url("/silent"))) == {
            "image": ["Fetching took longer than 0.05 s."]
        }


async def test_no_more_than_some_calls_fetch_at_the_same_time(tmp_path: Path) -> None:
    """The next one does when another has ended, however that was."""
    async with scene(tmp_path) as s:
        silent = [
            asyncio.create_task(s.predict(query(image=s.host.url("/silent")))) for _ in range(32)
        ]
        await until(lambda: len(s.host.seen) == 32)
        waiting = asyncio.create_task(s.predict(query(image=s.host.url())))
        # As long as fetching takes otherwise, several times over.
        await asyncio.wait({waiting}, timeout=0.2)
        assert len(s.host.seen) == 32
        silent.pop().cancel()
        assert await waiting == {"image": s.shown("image")}
        for task in silent:
            task.cancel()
        await asyncio.wait(silent)


async def test_nothing_is_fetched_where_that_is_switched_off(tmp_path: Path) -> None:
    async with scene(tmp_path, replace(ALLOWED, is_enabled=False)) as s:
        assert await s.refusal(query(image=s.host.url())) == {
            "image": ["Addresses are not fetched here."]
        }
        assert s.host.seen == []
        plain = s.host.url()
        assert await s.predict(query(plain=plain)) == {"plain": plain}


async def test_an_address_in_a_large_body_is_asked_for_elsewhere(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        text = json.dumps({"image": s.host.url(), "padding": "x" * 1000}).encode()
        large = Incoming(CallInput(), body_fd=memory_file(text))
        assert await s.refusal(large) == {
            "image": ["The body is too large to hold an address to fetch; put it into the query."]
        }
        # In escapes it is not seen here; the worker sees it.
        hidden = text.replace(b'"image"', b'"\\u0069mage"')
        assert await s.refusal(Incoming(CallInput(), body_fd=memory_file(hidden))) == {
            "image": ["Addresses are not fetched here."]
        }
        beside = Incoming(
            CallInput(query=(("image", s.host.url()),)), body_fd=memory_file(b'{"number": 1}')
        )
        assert await s.predict(beside) == {"image": s.shown("image")} | {"number": 1}


async def test_a_large_body_may_name_an_address_that_stands_elsewhere(tmp_path: Path) -> None:
    """Or have its name as a text."""
    async with scene(tmp_path) as s:
        for query, text in (
            ((("image", s.host.url()),), {"number": 1, "more": {"image": "x"}}),
            ((), {"number": 1, "kind": "image", "kinds": ["image"]}),
        ):
            fd = memory_file(json.dumps(text).encode())
            found = await s.predict(Incoming(CallInput(query=query), body_fd=fd))
            assert found == {"number": 1} | ({"image": s.shown("image")} if query else {})


@pytest.mark.parametrize("before", [0, 2**20 - 8, 2**20 - 3, 2**20])
async def test_an_address_is_seen_wherever_it_stands(tmp_path: Path, before: int) -> None:
    async with scene(tmp_path) as s:
        text = b'{"x": "%s", "image" : "http://127.0.0.1/"}' % (b"y" * before)
        large = Incoming(CallInput(), body_fd=memory_file(text))
        assert "too large" in (await s.refusal(large))["image"][0]


async def test_no_upload_takes_the_place_of_what_was_fetched(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        other = tmp_path / "other"
        other.write_text("from the client")
        file = UploadedFile("image", str(other), "text/html", "other")
        given = CallInput(query=(("image", s.host.url()),), files=(("image", file),))
        assert await s.predict(Incoming(given)) == {"image": s.shown("image")}


async def test_that_a_file_cannot_be_written_is_no_fault_of_the_address(tmp_path: Path) -> None:
    argument = Argument("image", "image", "Url", is_fetched=True)
    fetcher = UrlFetcher.of(ALLOWED, tmp_path / "not there")
    assert fetcher is not None
    async with serving() as host:
        with pytest.raises(StorageUnavailable):
            await fetcher.fetch(query(image=host.url()), [argument], None)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://h/a/b.png", "b.png"),
        ("http://h/a/b.png?x=/c.txt#/d", "b.png"),
        ("http://h", None),
        ("http://h/a/", None),
        ("http://h/..", None),
        ("http://h/%2e%2e", None),
        ("http://h/a%2Fb", "b"),
        ("http://h/..%5C..%5Cb.txt", "b.txt"),
        ("http://h/%2Fetc%2Fpasswd", "passwd"),
        ("http://h/a%0d%0aX: y.png", "aX: y.png"),
        ("http://h/a%00.png", "a.png"),
        ("http://h/%C3%A9.png", "é.png"),
        ("http://h/%ff.png", "\ufffd.png"),
        ("http://[/a", None),
        ("http://h/" + "a" * 300 + ".png", "a" * 251 + ".png"),
        ("http://h/" + "%C3%A9" * 200 + ".png", "é" * 125 + ".png"),
    ],
)
def test_names(url: str, name: str | None) -> None:
    assert name_of(url) == name
