# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What ``deepaas init`` writes or adopts installs, passes its tests, is served, and trains."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.integration.harness import PATIENCE_S, Server, serve

NEW, SCRIPT, PBR, AI4OS = "leaf-kinds", "old-script", "oldmod", "mymod"
TITLE = '"; rm -rf / {{ x }} $(id) é'
API = """
def get_metadata():
    return {"name": "Adder", "author": "A", "license": "MIT"}

def get_predict_args():
    from marshmallow import fields
    return {"x": fields.Int(required=True)}

def predict(x):
    return x + 1
"""
BASES: Mapping[str, Mapping[str, str]] = {
    SCRIPT: {
        "sizes.py": "def size_of(path): return path.stat().st_size\n",
        "predict.py": "import sys\nfrom pathlib import Path\n\nfrom sizes import size_of\n\n"
        "def predict(image: Path, factor: int = 2):\n"
        "    return {'size': factor * size_of(image)}\n\n"
        "if __name__ == '__main__':\n    print(predict(Path(sys.argv[1])))\n",
    },
    PBR: {
        "setup.py": "import setuptools\nsetuptools.setup(setup_requires=['pbr'], pbr=True)\n",
        "setup.cfg": "[metadata]\nname = oldmod\nsummary = Old.\nauthor = A\nlicense = MIT\n"
        "[files]\npackages = oldmod\n"
        "[entry_points]\ndeepaas.v2.model =\n    oldmod = oldmod.api\n",
        "metadata.json": '{"title": "Old", "description": ["Of", "lines"], "keywords": ["old"]}',
        "README.md": "# Old\n",
        "oldmod/__init__.py": "",
        "oldmod/api.py": API,
    },
    AI4OS: {
        "pyproject.toml": '[project]\nname = "mymod"\nversion = "2"\n'
        '[tool.setuptools]\npackages = ["mymod"]\npackage-dir = { "" = "src" }\n',
        "ai4-metadata.yml": "title: [",
        "Dockerfile": "FROM scratch\n",
        "LICENSE": "mine\n",
        "tests/test_own.py": "def test_it(): pass\n",
        "src/mymod/__init__.py": "",
        "src/mymod/api.py": API,
    },
}


class Shop:
    """Where packages are written and installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._prefix = folder / "installed"
        variables = {"base": str(self._prefix), "platbase": str(self._prefix)}
        site = sysconfig.get_path("purelib", "posix_prefix", variables)
        self.environment = {
            # The versions of packages of PBR come from git, which is not here.
            "PBR_VERSION": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            # Those of this project's tests are none of the author's, and slow.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            # They would clean up after other runs of tests, which takes minutes.
            "PYTEST_DEBUG_TEMPROOT": str(folder),
            "PYTHONPATH": site,
        }

    def run(self, *command: str, folder: str = ".") -> str:
        """Run a module of Python, and return what it says; it has to succeed."""
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self.folder / folder,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def deepaas(self, *arguments: str, folder: str = ".") -> str:
        """Run ``deepaas``."""
        return self.run("deepaas.cmd.main", *arguments, folder=folder)

    def install(self, *folders: str) -> None:
        """Install packages without asking an index."""
        self.run(
            *("pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"),
            *("--disable-pip-version-check", "--no-warn-script-location"),
            f"--prefix={self._prefix}",
            *(f"./{folder}" for folder in folders),
        )


def adopt(shop: Shop, name: str) -> None:
    """Adopt a base, and do by hand what is left to its author."""
    files = BASES[name]
    for path, text in files.items():
        (shop.folder / name / path).parent.mkdir(parents=True, exist_ok=True)
        (shop.folder / name / path).write_text(text)
    said = shop.deepaas("init", "--adopt", name)
    for path, text in files.items():
        assert (shop.folder / name / path).read_text() == text
    _, marked, wanted = said.partition("needs the entry point that names the model:\n")
    if marked:
        project = shop.folder / name / "pyproject.toml"
        lines = "\n".join(line.strip() for line in wanted.splitlines()[:2])
        project.write_text(f"{project.read_text()}\n{lines}\n")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.deepaas("init", NEW, "--title", TITLE, "--author", "A")
    for name in BASES:
        adopt(shop, name)
    shop.install(NEW, *BASES)
    return shop


@pytest.fixture(scope="module")
def server(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    names = ",".join((NEW, *BASES))
    folder = tmp_path_factory.mktemp("server")
    with serve(names, folder, environment=shop.environment) as server:
        yield server


@pytest.mark.parametrize("name", [NEW, SCRIPT, PBR])
def test_its_own_tests_pass(shop: Shop, name: str) -> None:
    said = shop.run("pytest", "-q", "-p", "no:cacheprovider", folder=name)
    assert " passed" in said


def test_nothing_in_a_new_package_breaks_later(shop: Shop) -> None:
    assert shop.deepaas("lint", NEW) == ""
    shop.deepaas("export", "docker", NEW, "--check", folder=NEW)


def test_the_new_model_says_what_it_was_called(server: Server) -> None:
    shown = server.get(f"/v2/models/{NEW}/").json
    assert (shown["name"], shown["author"], shown["version"]) == (TITLE, "A", "0.1.0")


def test_the_new_model_predicts_what_it_declares(server: Server) -> None:
    answer = server.predict(NEW, length=9.5, width=1.7)
    assert answer.json["label"] == "willow"
    assert answer.json["probabilities"].keys() == {"birch", "oak", "willow"}
    refused = server.predict(NEW, length=-1)
    assert (refused.status, refused.json.keys()) == (422, {"length", "width"})


def test_what_the_new_model_has_trained_is_served_once_it_is_promoted(server: Server) -> None:
    table = b"length,width,label\n1,1,small\n2,1,small\n8,9,large\n9,8,large\n"
    started = server.upload(
        f"/v2/models/{NEW}/train/", [("table", "t.csv", table)], [("epochs", "30")]
    )
    job = started.json["uuid"]
    assert server.wait_training(NEW, job)["status"] == "done"
    result = server.get(f"/v2/models/{NEW}/jobs/{job}/result").json
    assert (result["n_examples"], result["epochs"], result["accuracy"]) == (4, 30, 1)
    promoted = server.request("POST", f"/v2/models/{NEW}/jobs/{job}/promote")
    assert promoted.status == 200, promoted.text
    answer = server.predict(NEW, length=8, width=8)
    assert (answer.json["label"], answer.headers["X-Model-Version"]) == ("large", "1")


def test_what_was_adopted_is_served(server: Server) -> None:
    answer = server.upload(f"/v2/models/{SCRIPT}/predict/", [("image", "a.png", b"12345")])
    assert answer.json["predictions"] == {"size": 10}
    assert [server.predict(name, x=1).json["predictions"] for name in (PBR, AI4OS)] == [2, 2]


def test_metadata_files_are_served_from_where_they_were_installed(
    server: Server, shop: Shop
) -> None:
    answer = server.get(f"/v2/models/{NEW}/metadata")
    assert (answer.status, answer.json["schema_version"]) == (200, "2.3.0")
    assert answer.json["title"] == answer.json["document"]["title"] == TITLE
    assert answer.json["license"] == "Apache-2.0"
    assert answer.json["package"]["authors"] == ["A"]
    assert str(shop.folder) not in answer.text


def test_a_package_that_installs_no_metadata_has_none_to_show(server: Server) -> None:
    answer = server.get(f"/v2/models/{PBR}/metadata")
    assert (answer.status, answer.json["detail"]) == (
        404,
        "The model's package has no metadata file.",
    )
