# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Whatever lies in a folder, looking at it ends, and harms nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepaas.lint import project as reading
from deepaas.lint.documents import inner, json_fault
from deepaas.lint.project import MAX_FILE_BYTES
from tests.unit.lint.projects import CLEAN, PYPROJECT, found_in, write

BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(ord('b') + i)}: &{chr(ord('b') + i)} [*{chr(ord('a') + i)}, *{chr(ord('a') + i)}]\n"
    for i in range(24)
)
DEEP = "[" * 5_000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ai4-metadata.yml", BOMB),
        ("ai4-metadata.yml", DEEP),
        ("ai4-metadata.yml", "? [a, b]\n: c\n"),
        ("ai4-metadata.yml", "a: !!python/object/apply:os.system ['true']\n"),
        ("metadata.json", DEEP + "]" * 5_000),
        ("metadata.json", "[" * 100 + "]" * 100),
        ("metadata.json", '{"a": ' + "9" * 5_000 + "}"),
        ("metadata.json", "{\t\n"),
    ],
    ids=["bomb", "deep", "odd-key", "tag", "deep-json", "nested-json", "long-number", "json"],
)
def test_metadata_that_cannot_be_read_is_a_finding(name: str, text: str, tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, name: text})
    assert [each.rule for each in found_in(tmp_path)] == ["MET01"]


@pytest.mark.parametrize(
    "text",
    [
        "curl " * 2_000,
        "git clone " * 5_000 + "https://git.example/x@v1",
        "a+" * 25_000,
        "http://" * 2_000,
        '"a": ' * 2_000,
        "password" * 2_000,
        "-" * 50_000,
        " " * 50_000 + "|",
        "grep " * 2_000,
        "deep-start -d" + " -d" * 2_000,
        "FROM x \\\n" * 2_000,
        "RUN <<EOF\nEOF" * 2_000,
        "orchent depcreate x '{" + '"a":' * 2_000,
        'ENV a="' + "\n" * 2_000,
    ],
    ids=range(14),
)
def test_long_texts_end_in_time(text: str, tmp_path: Path) -> None:
    """The limit of the test run ends what does not."""
    write(tmp_path, {**CLEAN, "Dockerfile": text, "run.sh": text, "notes.md": text, "x.yml": text})
    found_in(tmp_path)


def test_only_files_of_the_folder_are_read(tmp_path: Path) -> None:
    secret = "export API_KEY=hunter22\n"
    folder = tmp_path / "module"
    write(folder, {**CLEAN, ".venv/x.sh": secret, ".git/x.sh": secret, "x.egg-info/x.sh": secret})
    write(tmp_path, {"outside/x.sh": secret})
    (folder / "out.sh").symlink_to(tmp_path / "outside" / "x.sh")
    (folder / "out").symlink_to(tmp_path / "outside")
    (folder / "loop.sh").symlink_to("loop.sh")
    os.mkfifo(folder / "pipe.sh")
    assert found_in(folder) == []


def test_a_link_within_the_folder_is_a_file(tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, "x.sh": "export API_KEY=hunter22\n"})
    (tmp_path / "y.sh").symlink_to("x.sh")
    assert [each.file for each in found_in(tmp_path)] == ["x.sh", "y.sh"]


def test_binary_and_large_files_are_left_alone_unless_they_matter(tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, "big.sh": "# x\n" * MAX_FILE_BYTES})
    (tmp_path / "weights.sh").write_bytes(b"\0API_KEY=hunter22")
    assert found_in(tmp_path) == []
    write(tmp_path, {"ai4-metadata.yml": "x" * (MAX_FILE_BYTES + 1)})
    (tmp_path / "Dockerfile").write_bytes(b"\0")
    assert [(each.file, each.rule) for each in found_in(tmp_path)] == [
        ("Dockerfile", "FIL01"),
        ("ai4-metadata.yml", "FIL01"),
    ]


def test_a_file_that_may_not_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {**CLEAN, "Dockerfile": "FROM x:1\n"})
    (tmp_path / "Dockerfile").unlink()
    # A root, who runs tests in containers, may read everything but what is gone.
    monkeypatch.setattr(reading, "_files", lambda folder, _: iter([folder / "Dockerfile"]))
    told = [each.message for each in found_in(tmp_path) if each.rule == "FIL01"]
    assert told == ["it cannot be read: No such file or directory"]


def test_folders_that_may_not_be_read_are_told(tmp_path: Path) -> None:
    """In a process whose root has no more rights than others."""
    for closed, mode in (("closed", 0), ("listed", 0o444)):
        write(tmp_path, {**CLEAN, f"{closed}/Dockerfile": "FROM x:1\n"})
        (tmp_path / closed).chmod(mode)
    command = [sys.executable, "-m", "deepaas.cmd.main", "lint", str(tmp_path), "--select", "FIL"]
    if os.getuid() == 0:
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for closed in ("closed", "listed"):
        (tmp_path / closed).chmod(0o755)
    assert (done.returncode, done.stderr) == (1, "")
    told = [line.partition(" (")[0] for line in done.stdout.splitlines()]
    assert told == [
        "closed:1: FIL01 the folder cannot be read: Permission denied",
        "listed/Dockerfile:1: FIL01 it cannot be read: Permission denied",
    ]


def test_an_address_that_is_too_long_for_a_file_is_a_finding(tmp_path: Path) -> None:
    entry = f'{{"tosca": [{{"title": "x", "url": "{"a" * 5000}", "inputs": []}}]}}'
    write(tmp_path, {**CLEAN, "metadata.json": entry})
    assert "TOS04" in [each.rule for each in found_in(tmp_path)]


def test_too_many_files_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, CLEAN)
    monkeypatch.setattr(reading, "MAX_FILES", 3)
    assert found_in(tmp_path) == []
    write(tmp_path, {"z.md": ""})
    assert [(each.file, each.rule) for each in found_in(tmp_path)] == [(".", "FIL01")]


@pytest.mark.parametrize("text", ["x = ", "\0", "x = [" * 5_000, "[options\nx"])
def test_broken_python_and_settings_are_no_matter_of_ours(text: str, tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, "leaves/api.py": text, "setup.py": text, "setup.cfg": text})
    assert found_in(tmp_path) == []
    write(tmp_path, {"pyproject.toml": f"{text}\n{PYPROJECT}"})
    assert "ARG05" not in {each.rule for each in found_in(tmp_path)}


def test_nothing_leads_to_nothing() -> None:
    assert inner({"a": [1]}, "a", 0) == 1
    assert inner({"a": [1]}, "a", 1) is None
    assert inner({"a": 1}, "a", "b") is None
    assert json_fault("{}") is None


def test_a_template_that_is_the_default_of_a_variable_is_known(tmp_path: Path) -> None:
    address = "https://git.example/deep-oc-marathon-webdav.yml"
    script = f'T=${{T:-{address}}}\norchent depcreate $T \'{{"flaat_disable": "yes"}}\'\n'
    write(tmp_path, {**CLEAN, "submit.sh": script})
    assert [(each.rule, each.line) for each in found_in(tmp_path)] == [("TOS03", 2)]
