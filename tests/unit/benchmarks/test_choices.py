# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is chosen on the command line, and what is read from tools and the machine."""

from pathlib import Path

import pytest

from benchmarks import contenders, environments, machine, workloads, wrk
from benchmarks.contenders import CONTENDERS, OURS, PEERS
from benchmarks.footprint import Footprint, Use, faults, name_of
from benchmarks.rounds import groups
from benchmarks.soak_calls import PLAIN, Mix
from benchmarks.workloads import WORKLOADS, holds


def test_workloads_are_chosen_by_name_or_by_beginning() -> None:
    assert [each.name for each in workloads.select("noop-1")] == ["noop-1"]
    assert [each.name for each in workloads.select("noop, start")] == [
        *("start", "noop-1", "noop-16", "noop-64")
    ]
    assert workloads.select("") == list(WORKLOADS)
    with pytest.raises(ValueError, match="no workload 'nothing'"):
        workloads.select("nothing")


def test_peers_are_chosen_by_name_and_our_own_always_stay() -> None:
    assert [each.name for each in contenders.select("")] == [
        "in-process",
        "limit",
        "ours",
        "guarded",
        "watched",
    ]
    assert [each.name for each in contenders.select("cog")][5:] == ["cog"]
    assert contenders.select(None) == list(CONTENDERS)
    with pytest.raises(ValueError, match="no peer 'nothing'"):
        contenders.select("nothing")


@pytest.mark.parametrize("peer", [each.name for each in CONTENDERS if each.is_peer])
def test_every_peer_has_a_list_in_which_everything_is_pinned(peer: str) -> None:
    lines = (PEERS / peer / "requirements.txt").read_text("utf-8").splitlines()
    names = [line for line in lines if not line.startswith("#")]
    assert names
    assert [line for line in names if "==" not in line] == []


def test_an_environment_is_made_anew_only_when_its_list_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "PEERS", tmp_path)
    (tmp_path / "cog").mkdir()
    (tmp_path / "cog" / "requirements.txt").write_text("nothing-of-that-name==0\n")
    made = tmp_path / "made" / "cog"
    made.mkdir(parents=True)
    stamp = environments._stamp_of(tmp_path / "cog" / "requirements.txt")
    (made / "made-from").write_text(stamp)
    environments.ensure("cog", tmp_path / "made")
    (tmp_path / "cog" / "requirements.txt").write_text("nothing-of-that-name==1\n")
    assert environments._stamp_of(tmp_path / "cog" / "requirements.txt") != stamp


def test_one_start_of_a_server_serves_all_that_can_share_it() -> None:
    names = [[each.name for each in group] for group in groups(WORKLOADS)]
    assert ["noop-1", "noop-16", "noop-64"] in names
    assert ["start"] in names
    assert ["upload-10", "upload-200"] in names


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"number": 7}, True),
        ({"predictions": [{"number": 7, "more": 1}]}, True),
        ({"number": 8}, False),
        ([], False),
        (7, False),
    ],
)
def test_an_answer_is_right_wherever_it_stands(answer: object, *, found: bool) -> None:
    assert holds(answer, {"number": 7}) is found


def test_figures_are_read_from_what_wrk_prints() -> None:
    line = '{"requests": 300, "duration_us": 2000000, "p50_us": 90.0, "p99_us": 500, "errors": 1}'
    seen = wrk.read(f"Running\n\n{line}\nRequests/sec: 1\n")
    assert seen == wrk.WrkResult(300, 150.0, 0.09, 0.5, 1)
    with pytest.raises(wrk.WrkFailed, match="no figures"):
        wrk.read("unable to connect")


def test_the_request_that_wrk_sends_is_the_one_that_is_checked() -> None:
    call = OURS.call("noop", {"number": 7})
    script = wrk.script_for(call, Path("body"))
    assert 'wrk.headers["Content-Type"] = "application/json"' in script
    assert 'io.open("body", "rb")' in script


def test_processors_are_divided_where_there_are_two() -> None:
    two = machine.divide(frozenset({4, 2, 9}))
    assert (two.client, two.server) == (frozenset({2}), frozenset({4}))
    one = machine.divide(frozenset({0}))
    assert one.client is one.server is None


def test_the_processor_has_a_name() -> None:
    assert machine.processor_name("processor\t: 0\nmodel name\t: Fast: 3\n") == "Fast: 3"
    assert machine.processor_name("")


def test_the_mix_of_calls_is_the_one_that_is_promised() -> None:
    mix = Mix(streams=True)
    kinds = [mix.kind_of(number) for number in range(1000)]
    failing = kinds.count("model exceptions") + kinds.count("wrong arguments")
    assert failing == 100
    assert kinds.count("streams") == 20
    assert kinds.count("uploads") == 50
    assert kinds.count(PLAIN) > 700
    assert Mix(streams=False).kind_of(1) in {*kinds}


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        ({"server 1": Use(50.0, 10), "guard 2": Use(10.0, 5)}, None),
        ({"server 1": Use(52.4, 10), "guard 2": Use(30.0, 5)}, None),
        ({"server 1": Use(52.6, 10), "guard 2": Use(10.0, 5)}, "server 1 has grown by 5.2%"),
        ({"server 1": Use(50.0, 11), "guard 2": Use(10.0, 5)}, "server 1 has 1 more descriptors"),
        ({"server 1": Use(50.0, 10)}, "guard 2 is gone"),
        (
            {"server 1": Use(50.0, 10), "guard 2": Use(10.0, 5), "sleep 3": Use(1.0, 3)},
            "sleep 3 was not there",
        ),
    ],
)
def test_what_a_server_keeps_is_found(after: dict[str, Use], fault: str | None) -> None:
    before = Footprint({"server 1": Use(50.0, 10), "guard 2": Use(10.0, 5)})
    found = faults(before, Footprint(after))
    assert len(found) == (fault is not None)
    assert not fault or found[0].startswith(fault)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["python", "-P", "-m", "deepaas.execution.guard", "x"], "guard"),
        (["sleep", "3"], "sleep 3"),
        ([], "a process without a command line"),
    ],
)
def test_a_process_is_named_after_what_it_runs(command: list[str], name: str) -> None:
    assert name_of(command, is_server=False) == name
    assert name_of(command, is_server=True) == "server"
