# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is asked for fits the template, and is kept so that it can be asked for again."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import ConfigurationError, InvalidDocument
from deepaas.orchestrator.asked import Asked, kept_place, load_asked, read_parameters

TEMPLATE = """
topology_template:
  inputs:
    cpus: {type: float, default: 1.0}
    gpus: {type: integer, default: 0}
    ports: {type: list, default: []}
    labels: {type: map, required: false}
    secret: {type: string, default: ""}
"""


def test_texts_become_what_the_template_declares() -> None:
    given = {"cpus": "2", "ports": "[80, 81]", "labels": "a: b", "gpus": 3}
    assert Asked(TEMPLATE, given, options={"callback": "http://x"}).body() == {
        "template": TEMPLATE,
        "parameters": {"cpus": 2.0, "ports": [80, 81], "labels": {"a": "b"}, "gpus": 3},
        "callback": "http://x",
    }


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"cpu": "2"}, "no input 'cpu'; it has: cpus, gpus, labels, ports, secret"),
        ({"gpus": "many"}, "Input <gpus> is 'many'"),
        ({"ports": "[", "cpus": "1"}, "the parameter ports"),
        ({"ports": "a: 1"}, "Input <ports>"),
    ],
)
def test_what_does_not_fit_is_said_before_it_is_sent(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        Asked(TEMPLATE, given).body()


def test_a_template_without_inputs_has_none() -> None:
    with pytest.raises(ConfigurationError, match="it has: none"):
        Asked("topology_template: {}", {"a": "b"}).body()


def test_a_secret_stays_in_its_file(tmp_path: Path) -> None:
    secret, kept = tmp_path / "secret", tmp_path / "kept" / "asked.json"
    secret.write_text("hunter2 \n")
    asked = Asked(TEMPLATE, {"cpus": "2"}, {"secret": str(secret)})
    assert asked.body()["parameters"] == {"cpus": 2.0, "secret": "hunter2 "}
    asked.keep(kept)
    assert "hunter2" not in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert load_asked(kept) == asked
    secret.unlink()
    with pytest.raises(ConfigurationError, match=r"--parameter-file secret: .*No such file"):
        asked.body()
    secret.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="it is no text"):
        asked.body()


def test_new_values_win_whatever_they_come_from() -> None:
    old = Asked("t", {"a": 1, "b": 2}, {"c": "file"}, {"callback": "x", "timeoutMins": 1})
    new = Asked("", {"c": 3}, {"b": "other"}, {"callback": "y"})
    changed = old.changed(new)
    assert changed == Asked(
        "t", {"a": 1, "c": 3}, {"b": "other"}, {"callback": "y", "timeoutMins": 1}
    )


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        Asked("t").keep(tmp_path / "file" / "asked.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        Asked("t").keep(tmp_path / "folder")
    assert list(tmp_path.glob(".folder*")) == []


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"template": 1}), "[" * 100_000])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "asked").write_text(text)
    with pytest.raises(ConfigurationError, match="is no request that was kept"):
        load_asked(tmp_path / "asked")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_asked(tmp_path / "none")


def test_it_is_kept_in_the_users_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert kept_place("u") == tmp_path / "deepaas/asked/u.json"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert kept_place("u") == Path.home() / ".local/state/deepaas/asked/u.json"
    for name in ("../x", "", ".hidden", "a/b"):
        with pytest.raises(ConfigurationError, match="is no name of a deployment"):
            kept_place(name)


def test_a_file_of_values_is_a_mapping(tmp_path: Path) -> None:
    (tmp_path / "values").write_text("a: 1\n2: [x]\n")
    assert read_parameters(tmp_path / "values") == {"a": 1, "2": ["x"]}
    (tmp_path / "list").write_text("[]")
    with pytest.raises(InvalidDocument):
        read_parameters(tmp_path / "list")
