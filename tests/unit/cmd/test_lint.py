# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas lint`` says what it finds, where, and with which exit status; secrets it never says."""

import json
import re
from pathlib import Path

import pytest

from deepaas.cmd.main import main
from deepaas.lint import RULES
from tests.unit.lint.defects import DEFECTS, VERSION_2, api
from tests.unit.lint.projects import CLEAN, write

ROOT = Path(__file__).parents[3]
EXAMPLES = ("digits", "legacy", "minimal", "torch_cnn")


def test_a_clean_folder_is_0_and_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, CLEAN)
    assert main(["lint", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


def test_this_folder_is_looked_at_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, {**CLEAN, "run.sh": "export API_KEY=hunter22\n"})
    monkeypatch.chdir(tmp_path)
    assert main(["lint"]) == 1
    assert re.fullmatch(
        r"run\.sh:1: SEC03 API_KEY has a value .+ \(.+\)\n", capsys.readouterr().out
    )


def test_json_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {**CLEAN, "run.sh": "\nexport API_KEY=hunter22\n"})
    assert main(["lint", "--json", str(tmp_path)]) == 1
    [found] = json.loads(capsys.readouterr().out)
    assert (found["file"], found["line"], found["rule"]) == ("run.sh", 2, "SEC03")
    assert found["message"]
    assert found["remedy"]


def test_rules_are_chosen_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {**CLEAN, "Dockerfile": "FROM python\nUSER 1\n"})

    def rules(*argv: str) -> list[str]:
        status = main(["lint", "--json", str(tmp_path), *argv])
        found = [each["rule"] for each in json.loads(capsys.readouterr().out)]
        assert status == bool(found)
        return found

    assert rules() == ["DCK01", "DCK03"]
    assert rules("--select=DCK01,SEC") == ["DCK01"]
    assert rules("--ignore=DCK01") == ["DCK03"]
    assert rules("--select=DCK", "--ignore=DCK") == []


def test_a_comment_in_the_line_has_a_rule_leave_it_alone(tmp_path: Path) -> None:
    line = "export API_KEY=hunter22 # deepaas: ignore[{}]\n"
    write(tmp_path, {**CLEAN, "run.sh": line.format("SEC03")})
    assert main(["lint", str(tmp_path)]) == 0
    write(tmp_path, {"run.sh": line.format("SEC01, DCK01")})
    assert main(["lint", str(tmp_path)]) == 1


@pytest.mark.parametrize(
    "argv",
    [["/no/such/folder"], ["--select=NONE"], ["--ignore=DCK99"], ["--sel=DCK"]],
    ids=" ".join,
)
def test_wrong_usage_is_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["lint", *argv])
    assert caught.value.code == 2
    assert "deepaas lint: error:" in capsys.readouterr().err


def test_the_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [rule.id for rule in RULES]
    assert all(rule.title and rule.remedy for rule in RULES)
    assert len({rule.id for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_are_clean(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(ROOT / "examples" / name)]) == 0, capsys.readouterr().out


def test_no_secret_is_ever_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, defect in enumerate(each for each in DEFECTS if each.rule.startswith("SE")):
        defect.write(tmp_path / str(number))
        assert main(["lint", str(tmp_path / str(number))]) == 1
    out = capsys.readouterr().out
    assert out.count("SEC") > 5
    for secret in ("hunter22", "correct-horse", "s3cr3tive", "a1B2", "MIIE"):
        assert secret not in out


def test_names_of_files_steer_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, {**CLEAN, "\x1b[31m\n.sh": "export API_KEY=hunter22\n"})
    assert main(["lint", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count("\n") == 1


MODEL = """\
from marshmallow import fields
def get_metadata():
    return {}
def get_predict_args():
    return {each: fields.Int(load_default=1) for each in ("no", "size")}
def predict(**kwargs):
    return {}
"""


def test_arguments_that_code_makes_are_seen_by_importing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {**CLEAN, **VERSION_2, "leaves/api.py": api("")}
    write(tmp_path, {**files, "seen_by_lint.py": MODEL})
    argv = ["lint", "--select=ARG01", str(tmp_path)]
    assert main(argv) == 0
    assert main([*argv, f"--import={tmp_path / 'seen_by_lint.py'}"]) == 1
    assert "pyproject.toml:1: ARG01 the argument 'no' is taken" in capsys.readouterr().out


def test_arguments_of_every_function_are_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"train": "a1", "evaluate": "no"}
    functions = "".join(
        f"def get_{each}_args():\n    return {{{name!r}: fields.Int(load_default=1)}}\n"
        f"def {each}(**kwargs):\n    return {{}}\n"
        for each, name in names.items()
    )
    plain = MODEL.replace('("no", "size")', '("size",)') + functions
    write(tmp_path, {**CLEAN, **VERSION_2, "leaves/api.py": api(""), "evaluated.py": plain})
    model = f"--import={tmp_path / 'evaluated.py'}"
    assert main(["lint", "--select=ARG01", str(tmp_path), model]) == 1
    assert "the argument 'no' is taken" in capsys.readouterr().out


def test_a_model_that_cannot_be_imported_is_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, CLEAN)
    assert main(["lint", str(tmp_path), "--import=./nothing.py"]) == 2
    assert "deepaas lint: The model file" in capsys.readouterr().err


def test_every_rule_is_documented_under_its_title() -> None:
    page = (ROOT / "doc" / "source" / "reference" / "lint-rules.rst").read_text("utf-8")
    found = re.findall(r"^``(\w+)`` (.+)$", page, re.M)
    assert found == [(rule.id, rule.title) for rule in RULES]


def test_what_other_commands_write_is_clean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new package, and the files that deploy a module, with nothing that breaks later."""
    assert main(["init", "leaves", str(tmp_path / "leaves")]) == 0
    for target in ("docker", "compose", "kubernetes", "tosca", "oscar"):
        shown = f"--output={tmp_path / 'files'}"
        assert main(["export", target, "minimal", shown]) == 0
    write(tmp_path / "files", CLEAN)
    capsys.readouterr()
    for folder in ("leaves", "files"):
        assert main(["lint", str(tmp_path / folder)]) == 0, capsys.readouterr().out
