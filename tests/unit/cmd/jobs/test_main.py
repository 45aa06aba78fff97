# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Each action does what it says, and what goes wrong is one line with a status of its own."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from deepaas.auth.access import AccessRules
from deepaas.auth.keyring import KeyRing
from deepaas.auth.keys import make_key
from deepaas.auth.signin import SignIn
from deepaas.records import JobState
from tests.service import free_port
from tests.unit.cmd.jobs.scene import DEEP, Command, always, answering, scene

ID = "0" * 31 + "1"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEEPAAS_URL", "DEEPAAS_TOKEN", "DEEPAAS_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


async def test_a_list_is_a_table_with_progress(tmp_path: Path, capsys: Capture) -> None:
    async with scene(tmp_path, capsys) as s:
        first, second = await s.add(1), await s.add(2)
        s.report(first, done=5, total=10, metrics={"loss": 0.25})
        await s.end(second)
        assert await s.run("list") == 0
        assert s.run.out.splitlines() == [
            f"{'ID':<32}  KIND   STATE   CREATED               PROGRESS",
            f"{second.id}  train  done    2026-11-22T12:00:02Z",
            f"{first.id}  train  queued  2026-11-22T12:00:01Z  5/10 50% loss=0.25",
        ]
        assert await s.run("list", "--state=done", "--state=error", "--kind=train", "--json") == 0
        assert [job["id"] for job in s.run.json["jobs"]] == [second.id]
        assert await s.run("list", "--kind=predict") == 0
        assert s.run.out == "ID  KIND  STATE  CREATED  PROGRESS\n"


async def test_a_list_goes_over_pages(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepaas.cmd.jobs.main._PAGE", 2)
    async with scene(tmp_path, capsys) as s:
        jobs = [await s.add(number) for number in range(1, 6)]
        assert await s.run("list", "--limit=3", "--json") == 0
        assert [job["id"] for job in s.run.json["jobs"]] == [job.id for job in jobs[:1:-1]]
        assert s.run.json["next"] is not None
        assert await s.run("list", "--json") == 0
        assert len(s.run.json["jobs"]) == 5
        assert s.run.json["next"] is None


async def test_show_cancel_and_delete(tmp_path: Path, capsys: Capture) -> None:
    async with scene(tmp_path, capsys) as s:
        job = await s.add(arguments='{"epochs": 2}')
        assert await s.run("delete", job.id) == 1
        assert "409 Conflict" in s.run.err
        assert await s.run("cancel", job.id) == 0
        assert "state:     cancelled\n" in s.run.out
        assert await s.run("show", job.id) == 0
        assert 'arguments: {"epochs": 2}\n' in s.run.out
        assert await s.run("show", job.id, "--json") == 0
        assert s.run.json["state"] == "cancelled"
        assert await s.run("delete", job.id, "--json") == 0
        assert s.run.json == {"id": job.id, "removed": True}
        another = await s.end(await s.add(2))
        assert await s.run("delete", another.id) == 0
        assert s.run.out == f"Removed job {another.id}.\n"
        assert await s.run("delete", job.id) == 1
        assert "404 Not Found" in s.run.err
        assert "`deepaas jobs list` shows the jobs that are there." in s.run.err


async def test_what_is_started_anew_is_shown(capsys: Capture) -> None:
    new: dict[str, Any] = {"id": "f" * 32, "state": "queued", "arguments": {}, "progress": None}
    async with answering(capsys, {f"{ID}/retry": always(new, 201)}) as run:
        assert await run("retry", ID) == 0
        assert f"id:        {'f' * 32}\n" in run.out


async def test_a_log(tmp_path: Path, capsys: Capture) -> None:
    async with scene(tmp_path, capsys) as s:
        job = await s.add()
        s.print(job, "one\ntwö\nthree\n")
        assert await s.run("log", job.id) == 0
        assert s.run.out == "one\ntwö\nthree\n"
        assert await s.run("log", job.id, "--tail=1", "--json") == 0
        assert s.run.json == {"id": job.id, "log": "three\n"}


async def test_the_base_path_belongs_to_the_address(tmp_path: Path, capsys: Capture) -> None:
    async with scene(tmp_path, capsys, base_path="/some/base") as s:
        job = await s.add()
        assert await s.run("show", job.id, "--model=echo", "--json") == 0
        assert s.run.json["id"] == job.id


async def test_a_job_of_which_everything_is_known(capsys: Capture) -> None:
    job = {
        "id": ID,
        "kind": "train",
        "state": "error",
        "attempt": 2,
        "progress": {"done": 1, "total": None, "metrics": None},
        "message": "It failed.\x1b[2J\nreally",
        "arguments": {"name": "ü"},
    }
    async with answering(capsys, {ID: always(job)}) as run:
        assert await run("show", ID) == 0
        assert run.out.splitlines()[-3:] == [
            "progress:  1",
            "message:   It failed. [2J really",
            'arguments: {"name": "ü"}',
        ]


# Wrong


@pytest.mark.parametrize(
    "argv",
    [
        ["show", "nothing"],
        ["show", "../../models"],
        ["list", "--limit=0"],
        ["log", ID, "--tail=x"],
        ["list", "--state=asleep"],
        ["list", "--lim=1"],
        ["dance"],
    ],
)
async def test_a_wrong_command_line(argv: list[str], capsys: Capture) -> None:
    run = Command("http://127.0.0.1:1", capsys)
    assert await run(*argv) == 2
    assert "usage: deepaas jobs" in run.err


async def test_nobody_is_there(capsys: Capture) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    run = Command(url, capsys)
    assert await run("list") == 1
    assert run.err == (
        f"deepaas jobs: {url} cannot be reached: Connection refused. Does the service run there?"
        " Another address is given with --url or DEEPAAS_URL.\n"
    )


@pytest.mark.parametrize(
    "content",
    [
        "hello",
        pytest.param(DEEP, id="deep"),
        {"models": None},
        {"models": [{"id": 1}]},
        {"models": []},
        [],
        {"models": 5},
    ],
)
async def test_somebody_else_is_there(capsys: Capture, content: object) -> None:
    handlers = {"/v2/health/ready": always(content)}
    async with answering(capsys, handlers) as run:
        assert await run("list") == 1
        assert "does not answer as DEEPaaS does" in run.err
        assert len(run.err.splitlines()) == 1


@pytest.mark.parametrize("content", [{"jobs": None}, {"jobs": ["x"]}, {}, "nothing"])
async def test_a_list_that_is_none(capsys: Capture, content: object) -> None:
    async with answering(capsys, {"": always(content)}) as run:
        assert await run("list") == 1
        assert "does not answer as DEEPaaS does" in run.err


async def test_a_model_whose_name_is_no_text_is_not_there(capsys: Capture) -> None:
    handlers = {"/v2/health/ready": always({"models": [{"name": "\ud800"}]})}
    async with answering(capsys, handlers) as run:
        assert await run("list") == 1
        assert "/v2/models/%3F/jobs/: 404 Not Found." in run.err
        assert await run("list", "--model=\udcff") == 1
        assert "/v2/models/%3F/jobs/: 404 Not Found." in run.err


async def test_one_of_several_models_must_be_chosen(capsys: Capture) -> None:
    models = {"models": [{"name": "a\x1b"}, {"name": "b"}]}
    async with answering(capsys, {"/v2/health/ready": always(models, 503)}) as run:
        assert await run("list") == 2
        assert "serves 2 models: a , b. Choose one with --model." in run.err


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "DEEPAAS_TOKEN"),
        (402, "switched off"),
        (403, "token does not allow"),
        (418, "It is so.\n"),
        (503, "Try again later."),
        (507, "make space"),
    ],
)
async def test_a_refusal_says_why_and_what_to_do(capsys: Capture, status: int, remedy: str) -> None:
    problem = {"detail": "It is so."}
    async with answering(capsys, {ID: always(problem, status)}) as run:
        assert await run("show", ID) == 1
        assert f"GET {run.url}/v2/models/m/jobs/{ID}: {status}" in run.err
        assert "It is so." in run.err
        assert remedy in run.err


@pytest.mark.parametrize("body", ["no JSON", pytest.param(DEEP, id="deep"), "[]", '{"detail": 5}'])
async def test_a_refusal_without_a_reason(capsys: Capture, body: str) -> None:
    async with answering(capsys, {ID: always(body, 500)}) as run:
        assert await run("show", ID) == 1
        assert run.err.endswith("500 Internal Server Error.\n")


async def test_a_redirection_is_not_followed(capsys: Capture, tmp_path: Path) -> None:
    """The token would go where nobody meant it to."""
    (tmp_path / "token").write_text("secret\n")
    asked: list[str | None] = []

    async def redirect(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization"))
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/elsewhere"})

    async with answering(capsys, {ID: redirect}) as run:
        assert await run("show", ID, f"--token-file={tmp_path / 'token'}") == 1
        assert "redirected to http://127.0.0.1:1/elsewhere; give the address" in run.err
    assert asked == ["Bearer secret"]


async def test_the_token_comes_from_the_environment_and_is_never_shown(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPAAS_TOKEN", "hidden")

    async def echo(request: web.Request) -> web.Response:
        sent = request.headers.get("Authorization")
        return web.json_response({"id": sent}, status=200)

    async with answering(capsys, {ID: echo}) as run:
        assert await run("show", ID, "--json") == 0
        assert run.json == {"id": "Bearer hidden"}
        monkeypatch.setenv("DEEPAAS_TOKEN", "hid\nden")
        assert await run("show", ID) == 2
        assert "den" not in run.err
        assert "DEEPAAS_TOKEN holds no token" in run.err


async def test_a_key_shows_and_changes_the_jobs_of_its_owner(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, record = make_key("ada", ["train"])
    rules = AccessRules()
    door = SignIn(rules, KeyRing([], record.line, principal_of=rules.principal_of))
    async with scene(tmp_path, capsys, authenticator=door) as there:
        mine = await there.add(1, owner="key:ada")
        other = await there.add(2, owner="key:eve")
        assert await there.run("list") == 1
        assert "401" in there.run.err
        assert "DEEPAAS_TOKEN" in there.run.err
        file = tmp_path / "key"
        file.write_text(f"{key}\n")
        monkeypatch.setenv("DEEPAAS_TOKEN_FILE", str(file))
        assert await there.run("list", "--json") == 0
        assert [job["id"] for job in there.run.json["jobs"]] == [mine.id]
        assert await there.run("cancel", mine.id) == 0
        for action in ("show", "cancel", "delete", "log", "follow"):
            assert await there.run(action, other.id) == 1
            assert "404" in there.run.err
        assert await there.store.get(other.id) == other


async def test_an_answer_without_end_is_not_held_in_memory(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepaas.cmd.jobs.client._MOST_BYTES", 1000)
    handlers = {ID: always({"x": "y" * 2000}), f"{ID}/log": always("y" * 2000)}
    async with answering(capsys, handlers) as run:
        assert await run("show", ID) == 1
        assert run.err.endswith(" answers with more than 1000 bytes.\n")
        assert await run("log", ID, "--json") == 1
        assert run.err.endswith(
            " answers with more than 1000 bytes. Ask for less with --tail, or without --json.\n"
        )


async def test_a_service_that_says_nothing(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepaas.cmd.jobs.client._SILENT_S", 0.05)

    async def silent(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    async with answering(capsys, {ID: silent}) as run:
        assert await run("show", ID) == 1
        assert "cannot be reached: no answer in time" in run.err


async def test_the_end_of_a_job_is_the_status_of_following_it(
    tmp_path: Path, capsys: Capture
) -> None:
    async with scene(tmp_path, capsys) as s:
        good, bad = await s.add(1), await s.add(2)
        s.print(good, "all of it\n")
        s.report(good, done=2, total=2)
        await s.end(good)
        await s.end(bad, JobState.ERROR)
        assert await s.run("follow", good.id) == 0
        assert s.run.out == "all of it\n"
        assert s.run.err.splitlines() == [
            "queued",
            "2/2 100%",
            "done",
            f"Job {good.id} has ended: done.",
        ]
        assert await s.run("follow", bad.id) == 1
        assert await s.run("follow", good.id, "--json") == 0
        lines = [json.loads(line) for line in s.run.out.splitlines()]
        assert {"event": "log", "text": "all of it\n"} in lines
        assert [line["state"] for line in lines if line["event"] == "state"] == ["queued", "done"]
        assert s.run.err == ""


async def test_on_a_terminal_everything_goes_to_it(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "terminal").open("wb") as terminal:
        monkeypatch.setattr("deepaas.cmd.jobs.views._STDOUT_FD", terminal.fileno())
        monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True)
        async with scene(tmp_path, capsys) as s:
            job = await s.add()
            s.print(job, "all of it\n")
            await s.end(job)
            assert await s.run("follow", job.id) == 0
            assert s.run.out == s.run.err == ""
    shown = (tmp_path / "terminal").read_text().splitlines()
    assert sorted(shown[:-1]) == ["all of it", "done", "queued"]
    assert shown[-1] == f"Job {job.id} has ended: done."
