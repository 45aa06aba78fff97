# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Finding models, and importing one."""

import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stevedore import _cache
from stevedore.extension import ExtensionManager

from deepaas.errors import ConfigurationError, ModelLoadError
from deepaas.model import discovery
from deepaas.records import ModelSource, SourceKind

Install = Callable[..., None]


@pytest.fixture(autouse=True)
def own_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what a test imports and puts on the path."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install packages in a folder that is the whole of ``sys.path``, as far as tests see."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setattr(sys, "path", [str(site)])
    monkeypatch.setattr(ExtensionManager, "ENTRY_POINT_CACHE", {})
    monkeypatch.setattr(_cache._c, "_disable_caching", True)

    def add(distribution: str, version: str, **entry_points: str) -> None:
        info = site / f"{distribution}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        )
        lines = [f"[{discovery.GROUP}]", *(f"{k} = {v}" for k, v in entry_points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines))

    return add


def file_source(path: Path) -> ModelSource:
    return ModelSource(path.stem, SourceKind.FILE, str(path))


def entry_point(value: str) -> ModelSource:
    return ModelSource("cats", SourceKind.ENTRY_POINT, value, "cats-pkg", "1.2")


def test_nothing_installed_says_what_to_do(install: Install) -> None:
    with pytest.raises(ConfigurationError, match=r"No model is installed.*deepaas\.v2\.model"):
        discovery.select_sources([])


def test_an_unknown_name_lists_what_is_installed(install: Install) -> None:
    install("cats-pkg", "1.2", cats="cats.api", dogs="cats.dogs")

    with pytest.raises(ConfigurationError, match=r"'birds'.*'cats', 'dogs'"):
        discovery.select_sources(["birds"])


def test_an_unknown_name_where_nothing_is_installed(install: Install) -> None:
    with pytest.raises(ConfigurationError, match=r"\(installed: none\)"):
        discovery.select_sources(["birds"])


@pytest.mark.parametrize("names", [[], ["cats"]])
def test_two_packages_with_one_name_are_both_named(install: Install, names: list[str]) -> None:
    install("cats-pkg", "1.2", cats="cats.api")
    install("other-cats", "3", cats="other.api")

    with pytest.raises(ConfigurationError, match=r"cats-pkg 1\.2 .*other-cats 3") as caught:
        discovery.select_sources(names)
    assert "'cats'" in caught.value.message


def test_a_file_that_does_not_exist(install: Install) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing/here\.py' does not exist"):
        discovery.select_sources(["nothing/here.py"])


def test_a_name_taken_by_another_kind_of_source(install: Install) -> None:
    install("cats-pkg", "1.2", cats="cats.api")

    with pytest.raises(ConfigurationError, match="Two models are named 'cats'"):
        discovery.select_sources(["cats", "pkg.mod:cats"])


def test_an_unrelated_conflict_does_not_disturb_a_named_model(install: Install) -> None:
    install("cats-pkg", "1.2", cats="cats.api", dogs="cats.dogs")
    install("other-cats", "3", cats="other.api")

    assert [source.name for source in discovery.select_sources(["dogs"])] == ["dogs"]


def test_listing_imports_nothing_and_knows_the_packages(install: Install) -> None:
    install("cats-pkg", "1.2", dogs="cats.dogs:Dogs", cats="cats.api")

    sources = discovery.list_sources()

    assert sources == [
        ModelSource("cats", SourceKind.ENTRY_POINT, "cats.api", "cats-pkg", "1.2"),
        ModelSource("dogs", SourceKind.ENTRY_POINT, "cats.dogs:Dogs", "cats-pkg", "1.2"),
    ]
    assert sources[0].label == "entry point 'cats = cats.api' of package cats-pkg 1.2"
    assert "cats" not in sys.modules


def test_an_entry_point_whose_package_is_gone_since(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer of stevedore may be older than the installation."""
    install("cats-pkg", "1.2", cats="cats.api")
    discovery.list_sources()
    monkeypatch.setattr(sys, "path", [])

    assert discovery.list_sources()[0].distribution is None


def test_nothing_named_means_all(install: Install) -> None:
    install("cats-pkg", "1.2", cats="cats.api")
    install("dogs-pkg", "2", dogs="dogs.api")

    assert [source.name for source in discovery.select_sources([" "])] == ["cats", "dogs"]


def test_the_choice_keeps_its_order_and_counts_once(install: Install) -> None:
    install("cats-pkg", "1.2", cats="cats.api", dogs="cats.dogs")

    chosen = discovery.select_sources(["dogs", " cats ", "dogs"])

    assert [source.name for source in chosen] == ["dogs", "cats"]


@pytest.mark.parametrize(
    ("given", "name"),
    [("pkg.mod:model", "model"), ("mod:Model", "Model"), ("pkg.mod:holder.model", "mod")],
)
def test_an_object_is_named_after_itself_or_its_module(
    install: Install, given: str, name: str
) -> None:
    (source,) = discovery.select_sources([given])

    assert source == ModelSource(name, SourceKind.OBJECT, given)
    assert source.label == f"object {given!r}"


def test_a_file_is_named_after_its_stem(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "birds.py").touch()
    monkeypatch.chdir(tmp_path)

    (source,) = discovery.select_sources(["birds.py"])

    assert source == ModelSource("birds", SourceKind.FILE, str(tmp_path / "birds.py"))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; sys.exit('no GPU')", "SystemExit: no GPU"),
        ("import not_there_at_all", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("def f(:", "SyntaxError"),
        ("raise RuntimeError('weights missing')", "RuntimeError: weights missing"),
    ],
)
def test_a_module_that_fails_is_explained(tmp_path: Path, code: str, reason: str) -> None:
    path = tmp_path / "failing_model.py"
    path.write_text(code)

    with pytest.raises(ModelLoadError) as caught:
        discovery.load_object(file_source(path))

    assert f"Cannot load file '{path.name}': {reason}" in caught.value.message
    assert caught.value.name == "failing_model"
    assert code in caught.value.traceback
    assert "failing_model" not in sys.modules


def test_the_traceback_is_the_authors_part(tmp_path: Path) -> None:
    (tmp_path / "author_part.py").write_text("def f():\n    1 / 0\nf()\n")
    sys.path.insert(0, str(tmp_path))

    with pytest.raises(ModelLoadError) as caught:
        discovery.load_object(entry_point("author_part"))

    assert caught.value.distribution == "cats-pkg"
    assert "discovery.py" not in caught.value.traceback
    assert "importlib" not in caught.value.traceback
    assert caught.value.traceback.count("author_part.py") == 2


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("deepaas.records:Nothing", "has no attribute 'Nothing'"),
        ("not_there_at_all:x", "No module named 'not_there_at_all'"),
    ],
)
def test_what_is_not_there_is_named_with_its_package(value: str, reason: str) -> None:
    with pytest.raises(ModelLoadError, match=reason) as caught:
        discovery.load_object(entry_point(value))

    assert f"entry point 'cats = {value}' of package cats-pkg 1.2" in caught.value.message
    assert "Traceback" not in caught.value.traceback


@pytest.mark.parametrize("name", ["json", "sqlite3"])
def test_a_file_must_not_hide_another_module(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.py"
    path.touch()

    with pytest.raises(ModelLoadError, match="rename the file"):
        discovery.load_object(file_source(path))


def test_a_file_that_python_does_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    path.touch()

    with pytest.raises(ModelLoadError, match="no Python source file"):
        discovery.load_object(file_source(path))


def test_a_file_finds_its_neighbours_and_is_importable(tmp_path: Path) -> None:
    (tmp_path / "neighbour_x.py").write_text("value = 3")
    path = tmp_path / "main_x.py"
    path.write_text("from neighbour_x import value\nimport main_x\n")

    loaded = discovery.load_object(file_source(path))

    assert loaded.value == 3
    assert sys.modules["main_x"] is loaded


def test_an_object_is_found_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "local_x.py").write_text("class Holder:\n    model = 5\n")
    monkeypatch.chdir(tmp_path)
    source = ModelSource("local_x", SourceKind.OBJECT, "local_x:Holder.model")

    assert discovery.load_object(source) == 5
    assert discovery.load_object(source) == 5
    assert sys.path.count(str(tmp_path)) == 1


def test_an_entry_point_may_name_extras() -> None:
    loaded = discovery.load_object(entry_point("deepaas.records : MISSING [gpu]"))

    assert repr(loaded) == "MISSING"
    assert discovery.load_object(entry_point("traceback")) is traceback
