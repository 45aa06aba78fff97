# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Which files a model is made of."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from deepaas.model.sources import source_files
from deepaas.records import ModelSource, SourceKind
from tests.unit.parts import ROOT

PROGRAM = """
import json, sys, types
from deepaas.model.description import describe
from deepaas.model.adapter import load_model
from deepaas.records import ModelSource, SourceKind

class Strange(types.ModuleType):
    def __getattr__(self, name):
        raise RuntimeError("not now")

sys.modules["strange"] = Strange("strange")
sys.modules["stranger"] = 7
kind, value = sys.argv[1:]
print(json.dumps(describe(load_model(ModelSource("m", SourceKind(kind), value))).source_files))
"""


def found(kind: SourceKind, value: str, folder: Path) -> list[str]:
    """Load a model in a process of its own and return its files, by their place."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind.value, value],
        cwd=folder,
        env={"PYTHONPATH": f"{ROOT}:{folder}"},
        capture_output=True,
        check=True,
    )
    files = json.loads(done.stdout)
    assert files == sorted(files)
    return [str(Path(file).relative_to(folder)) for file in files]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Make a package whose model imports a part of it, an installed one, and numpy."""
    for name, text in {
        "mine/__init__.py": "",
        "mine/model.py": "import json, numpy, installed\nfrom mine.parts import net\n"
        "def warm():\n    import mine.late\ndef predict(): return 1\n",
        "mine/parts/__init__.py": "",
        "mine/parts/net.py": "",
        "mine/unused.py": "",
        "mine/late.py": "",
        "site-packages/installed.py": "def predict(): return 1\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "installed.py").symlink_to(tmp_path / "site-packages" / "installed.py")
    return tmp_path


def test_the_authors_files_and_no_others(package: Path) -> None:
    files = found(SourceKind.OBJECT, "mine.model:predict", package)
    assert files == [
        "installed.py",
        "mine/__init__.py",
        "mine/model.py",
        "mine/parts/__init__.py",
        "mine/parts/net.py",
    ]


def test_a_file_counts_wherever_it_lies(package: Path) -> None:
    path = package / "site-packages" / "installed.py"
    (package / "installed.py").unlink()
    assert found(SourceKind.FILE, str(path), package) == ["site-packages/installed.py"]


def test_a_module_counts_wherever_it_lies() -> None:
    source = ModelSource("m", SourceKind.ENTRY_POINT, "marshmallow.fields:Int [extra]")
    importlib.import_module("marshmallow.fields")
    files = source_files(source)
    assert [Path(file).parts[-2:] for file in files if "site-packages" in file] == [
        ("marshmallow", "fields.py")
    ]
    assert not [file for file in files if Path(file).is_relative_to(ROOT / "deepaas")]
