# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas tosca`` checks, translates and packs, overwrites nothing, and says what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from deepaas.cmd.main import main as deepaas
from deepaas.cmd.tosca import main

GOOD = """\
tosca_definitions_version: tosca_simple_yaml_1_0
imports: [{indigo_custom_types: deepaas_indigo_types.yaml}]
topology_template:
  inputs:
    command: {type: string, default: deepaas-run}
  node_templates:
    my-docker: {type: tosca.nodes.indigo.Container.Runtime.Docker}
    app:
      type: tosca.nodes.indigo.Container.Application.Docker.Marathon
      properties: {command: {get_input: command}}
      requirements: [{host: my-docker}]
"""
DEPLOYMENT = {
    "topology_id": "t",
    "id": "i",
    "paas_id": "p",
    "orchestrator_id": "o",
    "orchestrator_deployment_id": "od",
    "location_ids": ["a", "b"],
    "version_id": "v",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "good.yml").write_text(GOOD)
    (tmp_path / "bad.yml").write_text(GOOD.replace("get_input: command", "get_input: nothing"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


Said = pytest.CaptureFixture[str]


def test_files_are_validated(folder: Path, capsys: Said) -> None:
    assert deepaas(["tosca", "validate", "good.yml"]) == 0
    assert capsys.readouterr().out == "good.yml: valid\n"
    assert main(["validate", "good.yml", "bad.yml", "missing.yml"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "good.yml: valid",
        'bad.yml:10: Unknown input "nothing".',
        "missing.yml: No such file or directory.",
    ]


def test_faults_are_data_too(folder: Path, capsys: Said) -> None:
    assert main(["validate", "--json", "good.yml", "bad.yml"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "good.yml": [],
        "bad.yml": ['bad.yml:10: Unknown input "nothing".'],
    }


def test_there_and_back(folder: Path, capsys: Said) -> None:
    assert main(["translate", "--to", "a4c", "good.yml", "-o", "alien.yml"]) == 0
    assert "The node 'my-docker' is called 'my_docker'" in capsys.readouterr().err
    assert main(["validate", "alien.yml"]) == 0
    capsys.readouterr()
    assert main(["translate", "--from", "a4c", "alien.yml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == yaml.safe_load(GOOD)


def test_a_request_is_made(folder: Path, capsys: Said) -> None:
    main(["translate", "--to", "a4c", "good.yml", "-o", "alien.yml"])
    (folder / "values.yml").write_text("command: 'no'\n")
    (folder / "deployment.yml").write_text(yaml.safe_dump(DEPLOYMENT))
    capsys.readouterr()
    asked = ["translate", "--from", "a4c", "alien.yml", "--parameters", "values.yml"]
    assert main([*asked, "--callback", "http://c", "--deployment", "deployment.yml"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert (body["parameters"], body["callback"]) == ({"command": "no"}, "http://c")
    metadata = yaml.safe_load(body["template"])["metadata"]
    assert metadata["a4c_deployment_location_ids"] == "a,b"
    assert metadata["a4c_deployment_orchestrator_deployment_id"] == "od"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--callback", "http://c"], "--callback goes with --parameters"),
        (["--parameters", "list.yml"], "list.yml: parameters must be a mapping"),
        (["--deployment", "good.yml"], "good.yml:1: it must have exactly topology_id"),
        (["--deployment", "missing.yml"], "missing.yml: No such file"),
    ],
)
def test_wrong_options_of_a_translation(
    folder: Path, capsys: Said, options: list[str], said: str
) -> None:
    (folder / "list.yml").write_text("- a")
    assert main(["translate", "--from", "a4c", "good.yml", *options]) == 1
    assert said in capsys.readouterr().err
    assert main(["translate", "--to", "a4c", "good.yml", *options]) == 1
    assert "goes with --from a4c only" in capsys.readouterr().err


def test_an_archive_is_packed_checked_and_not_overwritten(folder: Path, capsys: Said) -> None:
    (folder / "i.png").write_bytes(b"png")
    asked = ["csar", "good.yml", "--icon", "i.png", "--author", "me", "--version", "1.2.3"]
    assert main(asked) == 0
    assert capsys.readouterr().out == "good.zip\n"
    assert main(["csar", "--check", "good.zip"]) == 0
    assert capsys.readouterr().out == "good.zip: valid\n"
    before = (folder / "good.zip").read_bytes()
    assert main(["csar", "good.yml"]) == 1
    assert "good.zip is there already; overwrite it with --force." in capsys.readouterr().err
    assert (folder / "good.zip").read_bytes() == before
    assert main(["csar", "good.yml", "--force"]) == 0
    assert (folder / "good.zip").read_bytes() != before
    assert sorted(path.name for path in folder.iterdir()) == [
        *("bad.yml", "good.yml", "good.zip", "i.png"),
    ]


def test_what_another_writes_is_left_to_it(folder: Path, capsys: Said) -> None:
    (folder / ".good.zip.part").write_bytes(b"another's")
    assert main(["csar", "good.yml", "--force"]) == 1
    assert ".good.zip.part is there already; remove it." in capsys.readouterr().err
    assert (folder / ".good.zip.part").read_bytes() == b"another's"
    (folder / "link.zip").symlink_to("nothing")
    assert main(["csar", "good.yml", "-o", "link.zip"]) == 1
    assert "link.zip is there already; overwrite it with --force." in capsys.readouterr().err
    (folder / "dir.zip").mkdir()
    assert main(["csar", "good.yml", "-o", "dir.zip", "--force"]) == 1
    assert "dir.zip cannot be written: " in capsys.readouterr().err
    assert not (folder / ".dir.zip.part").exists()


def test_a_bundle_is_whole_or_nothing(folder: Path, capsys: Said) -> None:
    assert main(["bundle", "out/archives", "good.yml"]) == 0
    names = ["normative-types", "indigo_custom_types", "grycap_custom_types", "good"]
    assert capsys.readouterr().out.split() == [f"out/archives/{name}.zip" for name in names]
    assert main(["validate", *(f"out/archives/{name}.zip" for name in names)]) == 0
    (folder / "other").mkdir()
    (folder / "other" / "good.zip").touch()
    capsys.readouterr()
    assert main(["bundle", "other", "good.yml"]) == 1
    assert "other/good.zip is there already" in capsys.readouterr().err
    assert [path.name for path in (folder / "other").iterdir()] == ["good.zip"]
    assert main(["bundle", "other", "good.yml", "--force"]) == 0


def _bundle_cases() -> list[Any]:
    return [
        (["bundle", "good.yml/x"], "good.yml/x: "),
        (["bundle", "out", "--images", "missing"], "--images: there is no folder 'missing'"),
        (["bundle", "out", "normative-types.yml"], "has an archive normative-types.zip already"),
        (["csar", "good.yml", "-o", "missing/good.zip"], "missing/good.zip cannot be written: No"),
        (["csar", "bad.zip"], "bad.zip:1: this is no UTF-8"),
    ]


@pytest.mark.parametrize(("argv", "said"), _bundle_cases())
def test_what_cannot_be_written(folder: Path, capsys: Said, argv: list[str], said: str) -> None:
    (folder / "normative-types.yml").write_text(GOOD)
    (folder / "bad.zip").write_bytes(b"\xff")
    before = sorted(folder.rglob("*"))
    assert main(argv) == 1
    error = capsys.readouterr().err
    assert error.startswith("deepaas tosca: ")
    assert said in error
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    "argv", [[], ["validate"], ["translate", "x"], ["translate", "--from", "b", "x"], ["vali", "x"]]
)
def test_wrong_usage(argv: list[str], capsys: Said) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "usage: deepaas tosca" in capsys.readouterr().err
