# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is installed for the tests is locked, what is known of it is heard, the wheel is clean."""

import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools.audit import LOCK, audit, judge

ROOT = Path(__file__).parents[2]
#: A locked package: name and version, perhaps a marker, and at least one hash.
_ENTRY = re.compile(
    r"^(?P<need>[^\s#]+==[^\s;]+( ; [^\\]+?)?) \\\n(?P<hashes>(    --hash=.+\n)+)", re.M
)
PROJECTS = [ROOT, *(ROOT / "examples" / name for name in ("minimal", "digits", "legacy"))]
#: What the package is made of, beside its Python files.
DATA = {
    *(".sql", ".html", ".js", ".css", ".png", ".typed", ".txt", ".yaml", ".json", ".sh", ".jinja"),
    "",
}


def locked() -> dict[str, Version]:
    """Return the version of each package that the lock holds for this Python."""
    found: dict[str, Version] = {}
    for entry in _ENTRY.finditer(LOCK.read_text("utf-8")):
        need = Requirement(entry["need"])
        if need.marker is None or need.marker.evaluate():
            found[canonicalize_name(need.name)] = Version(next(iter(need.specifier)).version)
    return found


def needs(project: Path) -> Iterator[Requirement]:
    """Yield what a project needs here to run, to be tested and to be documented."""
    setup = configparser.ConfigParser()
    setup.read(project / "setup.cfg", "utf-8")
    texts = [setup["options"]["install_requires"]]
    if project == ROOT:
        extras = setup["options.extras_require"]
        texts += [extras["test"], extras["docs"]]
    for text in texts:
        for line in text.split("\n"):
            if line.strip() and not line.startswith("#"):
                need = Requirement(line)
                if need.name != "deepaas" and (need.marker is None or need.marker.evaluate()):
                    yield need


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_the_lock_fits_what_is_declared(project: Path) -> None:
    found = locked()
    missing = [
        str(need)
        for need in needs(project)
        if not need.specifier.contains(found.get(canonicalize_name(need.name), Version("0")))
    ]
    assert missing == [], "`make lock` resolves them"


def test_nothing_in_the_lock_is_without_a_hash() -> None:
    text = LOCK.read_text("utf-8")
    assert _ENTRY.sub("", text).strip() == ""
    assert len(locked()) > 50
    assert "://" not in text  # it names no place that packages come from


def test_an_unlocked_need_is_seen(tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").write_text("[options]\ninstall_requires =\n    nothing-like-it>=1\n")
    (need,) = needs(tmp_path)
    assert canonicalize_name(need.name) not in locked()


@pytest.mark.parametrize(
    ("dependencies", "is_good", "said"),
    [
        ([], True, "Nothing was audited"),
        ([{"name": "a", "skip_reason": "not there"}], True, "Nothing was audited"),
        ([{"name": "a", "version": "1", "vulns": []}], True, "1 packages audited, 0 known"),
        (
            [
                {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]},
                {"name": "b", "skip_reason": "not there"},
            ],
            False,
            "a 1: CVE-1 (mended in: 2)\nNot audited, since there is no data: b.",
        ),
        (
            [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": []}]}],
            False,
            "no version yet",
        ),
    ],
)
def test_what_an_audit_says(dependencies: list[Any], is_good: bool, said: str) -> None:
    verdict = judge({"dependencies": dependencies})
    assert verdict.is_good == is_good
    assert said in verdict.text


def test_where_nobody_answers_nothing_is_audited(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    verdict = audit()
    assert verdict.is_good
    assert verdict.text.startswith("Nothing was audited")


def test_a_lock_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("aiohttp>=3\n")
    verdict = audit(lock)
    assert not verdict.is_good
    assert "hash" in verdict.text


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Return what `pip wheel` makes of a copy of the tree, in which files lie that are not ours."""
    tree = tmp_path_factory.mktemp("tree")
    ignored = shutil.ignore_patterns("__pycache__", ".venv", ".envs", "node_modules")
    for folder in ("deepaas", "tests", "examples", "benchmarks", "tools"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=ignored, dirs_exist_ok=True)
    for file in ROOT.glob("*"):
        if file.is_file():
            shutil.copy(file, tree)
    (tree / "deepaas" / "secret.key").write_text("planted")
    (tree / "deepaas" / "api" / ".env").write_text("planted")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", tree / "out", tree], check=True, timeout=120)
    (made,) = (tree / "out").glob("deepaas-*.whl")
    return zipfile.ZipFile(made)


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    ours = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "deepaas").rglob("*")
        if file.is_file() and (file.suffix == ".py" or file.suffix in DATA)
    }
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert inside == ours


def test_the_wheel_says_its_licences_and_what_it_needs(wheel: zipfile.ZipFile) -> None:
    about = [name.partition(".dist-info/")[2] for name in wheel.namelist() if ".dist-info/" in name]
    assert {name for name in about if "licenses/" not in name} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "top_level.txt",
    }
    assert any(name.endswith("LICENSE") for name in about)
    # Executable bits and links have no business in it.
    assert {info.external_attr >> 16 & 0o170000 for info in wheel.infolist()} <= {0o100000}
