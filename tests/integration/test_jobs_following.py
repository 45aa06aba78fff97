# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Whoever follows a training misses nothing, and costs nobody else anything."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.integration.events import Event, EventSource
from tests.integration.harness import Server, serve, wait_for
from tests.integration.place import MODEL, Place, kill, numbers

PRINTS = "prints_in_train"
FOLLOWERS = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(PRINTS, tmp_path_factory.mktemp("following"), "--train-workers=2") as running:
        yield running


def path_of(uuid: str, model: str = PRINTS) -> str:
    return f"/v2/models/{model}/jobs/{uuid}"


def text_of(events: list[Event]) -> str:
    return "".join(event.data for event in events if event.name == "message")


def test_many_follow_one_log_and_read_the_same(server: Server, tmp_path: Path) -> None:
    """Characters and lines come whole, and others are served meanwhile, in no more threads."""
    uuid = server.train(PRINTS, gate=tmp_path / "gate", kilobytes=1_000)["uuid"]
    path = f"{path_of(uuid)}/log"
    sources = [EventSource(server, path) for _ in range(FOLLOWERS)]
    for source in sources:
        assert source.response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        source.until("begins")
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    (tmp_path / "gate").touch()
    with ThreadPoolExecutor(FOLLOWERS) as pool:
        reading = [pool.submit(list[Event], source) for source in sources]
        answers = 0
        while not all(future.done() for future in reading):
            assert server.get("/v2/health/live").status == 200
            answers += 1
        found = [future.result() for future in reading]
    assert answers > 3
    assert process.num_threads() < FOLLOWERS
    assert process.memory_info().rss - before < 100 * 1024 * 1024
    printed = server.get(path).body.decode()
    body, _, bar = printed.partition("\r")
    shown = body.removeprefix("begins\n")
    for events in found:
        assert (events[-1].name, events[-1].data) == ("end", "done")
        text = text_of(events)
        assert text.startswith(shown)
        # Of the bar, what stood there last; and perhaps what stood there when a piece was cut.
        assert text.endswith("100%|██████████|\nends\n")
        assert len(text) <= len(shown) + len(bar)
        assert "\r" not in text
    for source in sources:
        source.close()


def test_a_follower_that_reads_nothing_holds_up_nobody(server: Server, tmp_path: Path) -> None:
    """Neither the server's memory, nor who reads beside it; when it leaves, nothing is left."""
    uuid = server.train(PRINTS, gate=tmp_path / "gate", kilobytes=10_000)["uuid"]
    path = f"{path_of(uuid)}/log"
    wait_for(lambda: server.get(path).text == "begins\n")
    files = server.open_files()
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    lazy = [EventSource(server, path) for _ in range(5)]
    with EventSource(server, path) as busy:
        busy.until("begins")
        (tmp_path / "gate").touch()
        last = list(busy)[-1]
        assert (last.name, last.data) == ("end", "done")
    assert process.memory_info().rss - before < 30 * 1024 * 1024
    for source in lazy:
        source.close()
    wait_for(lambda: server.open_files() <= files)


def test_following_goes_on_on_the_next_server(tmp_path: Path) -> None:
    """A browser comes again by itself, with the last id that it saw; the log has no gap."""
    place = Place(tmp_path)
    with place.serve() as first:
        uuid = place.train_until_it_runs(first)
        path = path_of(uuid, MODEL)
        with EventSource(first, f"{path}/log") as log, EventSource(first, f"{path}/events") as told:
            lines = log.until("line 5\n")
            events = told.until('"done":5')
            kill(first)
            # What was on its way counts too.
            lines += _rest(log)
            events += _rest(told)
        directory = place.state.directory(uuid)
        with place.serve() as second:
            with (
                EventSource(second, f"{path}/log", lines[-1].id) as log,
                EventSource(second, f"{path}/events", events[-1].id) as told,
            ):
                place.gate.touch()
                lines += list(log)
                events += list(told)
            assert text_of(lines) == directory.log.read_text()
            assert lines[-1].data == "done"
            # Behind the end there is nothing, which a browser takes for a reason not to come again.
            with EventSource(second, f"{path}/log", lines[-1].id) as log:
                assert log.response.status == 204
    told_events = [json.loads(event.data) for event in events]
    written = [json.loads(line) for line in directory.events.read_text().splitlines()]
    steps = [event["done"] for event in told_events if event["event"] == "progress"]
    assert steps == [line["done"] for line in written if line.get("event") != "state"]
    assert (told_events[-1]["event"], told_events[-1]["state"]) == ("state", "done")
    printed = numbers(directory.log)
    assert printed == list(range(len(printed)))


def _rest(source: EventSource) -> list[Event]:
    found = []
    try:
        for event in source:
            found.append(event)
    except (ConnectionError, OSError, ValueError):
        pass
    return found


def test_a_server_that_ends_does_not_wait_for_followers(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.serve("--keep-trainings", "--shutdown-grace=50") as server:
        uuid = place.train_until_it_runs(server)
        with EventSource(server, f"{path_of(uuid, MODEL)}/log") as log:
            log.until("line 1\n")
            server.signal(signal.SIGTERM)
            server.wait_end(limit_s=30)
            assert all(event.name == "message" for event in log)
    place.gate.touch()
    with place.serve() as server:
        server.wait_training(MODEL, uuid)


def test_a_part_of_the_log(server: Server, tmp_path: Path) -> None:
    (tmp_path / "gate").touch()
    uuid = server.train(PRINTS, gate=tmp_path / "gate", lines=5)["uuid"]
    server.wait_training(PRINTS, uuid)
    path = f"{path_of(uuid)}/log"
    whole = server.get(path).body
    assert server.get(f"{path}?tail=1").text == "ends\n"
    part = server.request("GET", path, headers={"Range": f"bytes=7-{len(whole) - 1}"})
    assert (part.status, part.body) == (206, whole[7:])
    assert part.headers["Content-Range"] == f"bytes 7-{len(whole) - 1}/{len(whole)}"
    behind = server.request("GET", path, headers={"Range": f"bytes={len(whole)}-"})
    assert behind.status == 416
