# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What tests of versions do to a server, and a load that notices every answer."""

import threading
import time
from collections import defaultdict
from typing import Any

from tests.integration.harness import Answer, Server

MODEL = "keeps_what_it_learns"
PATH = f"/v2/models/{MODEL}"


def trained(server: Server, say: str, **arguments: object) -> str:
    """Train the model to say something, and return the job's id."""
    uuid = str(server.train(MODEL, say=say, **arguments)["uuid"])
    ended = server.wait_training(MODEL, uuid)
    assert ended["status"] == "done", ended
    return uuid


def promote(server: Server, job: str, **headers: str) -> Answer:
    return server.request("POST", f"{PATH}/jobs/{job}/promote", headers=headers)


def promoted(server: Server, say: str, **arguments: object) -> str:
    """Train and promote, and return the job's id."""
    job = trained(server, say, **arguments)
    answer = promote(server, job)
    assert answer.status == 200, answer.text
    return job


def rollback(server: Server, version: int | None = None) -> Answer:
    query = "" if version is None else f"?version={version}"
    return server.request("POST", f"{PATH}/versions/rollback{query}")


def versions(server: Server) -> list[dict[str, Any]]:
    answer = server.get(f"{PATH}/versions/")
    assert answer.status == 200, answer.text
    found: list[dict[str, Any]] = answer.json["versions"]
    return found


def states(server: Server) -> dict[int, str]:
    return {each["version"]: each["state"] for each in versions(server)}


def said(server: Server) -> tuple[int, str]:
    """Return which version answers, and what."""
    answer = server.predict(MODEL)
    assert answer.status == 200, answer.text
    return int(answer.headers["X-Model-Version"]), answer.json["predictions"]


def health(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.get(f"{PATH}/ready").json
    return found


class Load:
    """Clients that predict again and again, while the block runs; all their answers are kept."""

    def __init__(self, server: Server, clients: int = 4) -> None:
        self._server = server
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        #: In the order in which they came: status, version, what was said.
        self.answers: list[tuple[int, str, str]] = []
        self.errors: list[Exception] = []

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                answer = self._server.predict(MODEL, pause=0.005)
            except Exception as exc:
                self.errors.append(exc)
                return
            version = answer.headers.get("X-Model-Version", "")
            self.answers.append((answer.status, version, answer.text))

    def wait_for_more(self, count: int = 20) -> None:
        """Wait for so many answers more."""
        before = len(self.answers)
        while len(self.answers) < before + count and not self.errors:
            time.sleep(0.005)

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        self.wait_for_more()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.wait_for_more()
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def check(self, says: dict[str, str]) -> list[str]:
        """See that every answer came, from the version that it names; return the versions."""
        assert self.errors == []
        by_version = defaultdict(set)
        for status, version, text in self.answers:
            assert status == 200, text
            by_version[version].add(text)
        for version, texts in by_version.items():
            assert len(texts) == 1
            assert says[version] in next(iter(texts))
        return [version for _, version, _ in self.answers]
