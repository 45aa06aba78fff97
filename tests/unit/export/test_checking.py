# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A check tells what no longer fits, and leaves to people what they have added."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from deepaas.errors import CheckerMissing, ConfigurationError
from deepaas.export import (
    ExportOptions,
    Target,
    Verdict,
    View,
    check,
    docker,
    kubernetes,
    plan,
    slurm,
    write_files,
)
from deepaas.export.checking import differences, run_checker
from deepaas.export.compose import TARGET
from deepaas.project import ProjectSettings
from tests.unit.export.modules import hostile, small


def content(paths: Mapping[str, Path]) -> Sequence[str]:
    """Say nothing."""
    return ()


COMPOSE = dataclasses.replace(TARGET, judge=content)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    [[name, text]] = TARGET.write(plan(small())).items()
    (tmp_path / name).write_text(text)
    return tmp_path / name


def judged_by(target: Target, tmp_path: Path) -> tuple[str, ...]:
    return check(target, plan(small()), tmp_path).faults


def test_what_was_just_written_fits(file: Path) -> None:
    verdict = check(COMPOSE, plan(small()), file.parent)
    assert verdict.faults == verdict.notes == ()


def test_each_thing_that_no_longer_fits_is_named(file: Path) -> None:
    assert check(COMPOSE, plan(hostile()), file.parent).faults == (
        *differences(TARGET.read({file.name: file.read_text()}), plan(hostile()).view),
    )
    text = file.read_text()
    for old, new in {
        "small:0": "small:9",
        "target: 5000": "target: 5001",
        "LANG: C.UTF-8": "LANG: C",
        "'4000000000'": "'5000000000'",
        "arguments:\n        predict:": "arguments:\n        train:",
    }.items():
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    assert judged_by(COMPOSE, file.parent) == (
        'image: the files say "small:9", the module "small:0"',
        "ports: the files say [5001, 6006, 8888], the module [5000, 6006, 8888]",
        'environment.LANG: the files say "C", the module "C.UTF-8"',
        "resources.memory_mb: the files say 5000, the module 4000",
        'arguments.predict: the files say nothing, the module {"type": "object", "properties": {}}',
        'arguments.train: the files say {"type": "object", "properties": {}}, the module nothing',
    )


def test_amounts_in_units_that_people_like_are_compared(file: Path) -> None:
    text = file.read_text()
    file.write_text(text.replace("'4000000000'", "4g").replace("cpus: '1'", "cpus: 0.5"))
    assert judged_by(COMPOSE, file.parent) == (
        "resources.cpus: the files say 0.5, the module 1",
        "resources.memory_mb: the files say 4294, the module 4000",
    )


def test_a_variable_that_people_have_added_is_a_note(file: Path) -> None:
    file.write_text(file.read_text().replace("LANG:", "RCLONE_CONFIG_RSHARE_URL: x\n      LANG:"))
    verdict = check(COMPOSE, plan(small()), file.parent)
    assert verdict.faults == ()
    assert verdict.notes == (
        "environment.RCLONE_CONFIG_RSHARE_URL: the files say it, the module does not",
    )


def test_variables_of_a_list_and_with_any_name_are_notes(file: Path) -> None:
    text = file.read_text()
    start, end = text.index("      LANG:"), text.index("    ports:")
    listed = text[start:end].replace("      ", "      - ").replace(": ", "=")
    file.write_text(f"{text[:start]}{listed}      - MODE\n{text[end:]}")
    verdict = check(COMPOSE, plan(small()), file.parent)
    assert verdict.faults == ()
    assert verdict.notes == ("environment.MODE: the files say it, the module does not",)
    file.write_text(text.replace("LANG:", '1: x\n      "\\e[2J": x\n      LANG:'))
    verdict = check(COMPOSE, plan(small()), file.parent)
    assert verdict.faults == ()
    assert [note.partition(":")[0] for note in verdict.notes] == [
        r'environment."\u001b[2J"',
        "environment.1",
    ]


def test_a_file_whose_environment_is_no_mapping_is_a_fault(tmp_path: Path) -> None:
    views = iter((View(environment=["A"]), View(environment={"A": "b"})))  # type: ignore[arg-type]
    target = Target("x", "x", lambda _: {"x": "x"}, lambda _: next(views), content)
    (tmp_path / "x").touch()
    [fault] = check(target, plan(small()), tmp_path).faults
    assert fault == 'environment: the files say ["A"], the module {"A": "b"}'


def test_a_service_that_people_have_added_is_theirs(file: Path) -> None:
    text = file.read_text()
    file.write_text(text.replace("services:\n", "services:\n  proxy:\n    image: caddy:2\n"))
    assert judged_by(COMPOSE, file.parent) == ()


def test_objects_that_people_have_added_are_theirs(tmp_path: Path) -> None:
    target = dataclasses.replace(kubernetes.TARGET, judge=content)
    [[name, text]] = target.write(plan(small())).items()
    secret = "- name: S3\n          valueFrom: {secretKeyRef: {name: s3, key: s3}}\n        "
    text = text.replace("- name: LANG", f"{secret}- name: LANG")
    text = text.replace("      containers:\n", "      containers:\n      - name: proxy\n")
    added = "---\nkind: ConfigMap\ndata: {}\n---\nkind: Deployment\nspec: {}\n"
    (tmp_path / name).write_text(text + added)
    verdict = check(target, plan(small()), tmp_path)
    assert verdict.faults == ()
    assert verdict.notes == ("environment.S3: the files say it, the module does not",)


def test_what_an_image_is_built_of_is_compared(tmp_path: Path) -> None:
    target = dataclasses.replace(docker.TARGET, judge=content)
    before = plan(small())
    write_files(target.write(before), tmp_path)
    file = tmp_path / "Dockerfile"
    file.write_text(file.read_text() + "RUN apt-get install more && true\n")
    assert check(target, before, tmp_path) == Verdict(())
    module = dataclasses.replace(
        small(),
        settings=ProjectSettings(base_cpu="other:1", system_packages=("libgl1",)),
        package=dataclasses.replace(small().package, requirements=("numpy>=2; os_name > ''",)),
    )
    assert check(target, plan(module), tmp_path).faults == (
        f'base: the files say "{docker.BASE_CPU}", the module "other:1"',
        'installs: the files say nothing, the module "libgl1"',
        "installs: the files say nothing, the module \"numpy>=2; os_name > ''\"",
    )
    file.write_text(file.read_text().replace("FROM ${base} AS", "FROM mine:3 AS"))
    [fault] = check(target, before, tmp_path).faults
    assert fault == f'base: the files say "mine:3", the module "{docker.BASE_CPU}"'


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_builders_take_either_end_of_a_line(end: str, tmp_path: Path) -> None:
    target = dataclasses.replace(docker.TARGET, judge=content)
    for name, text in target.write(plan(hostile())).items():
        (tmp_path / name).write_bytes(text.replace("\n", end).encode())
    assert check(target, plan(hostile()), tmp_path) == Verdict(())


def test_a_break_within_a_value_is_no_end_of_a_line(tmp_path: Path) -> None:
    environment = {"RETURNS": "a\rb\r\nc"}
    module = dataclasses.replace(small(), settings=ProjectSettings(environment=environment))
    deployment = plan(module, ExportOptions(flavour="predict"))
    target = dataclasses.replace(slurm.TARGET, judge=content)
    write_files(target.write(deployment), tmp_path)
    assert check(target, deployment, tmp_path) == Verdict(())


def test_a_disk_that_the_module_says_nothing_of_is_a_matter_of_people(tmp_path: Path) -> None:
    target = dataclasses.replace(kubernetes.TARGET, judge=content)
    [[name, text]] = target.write(plan(small())).items()
    (tmp_path / name).write_text(text.replace("storage: 10000M", "storage: 2Ti"))
    assert check(target, plan(small()), tmp_path).faults == ()


def test_views_that_say_little_are_compared_too(tmp_path: Path) -> None:
    target = Target("x", "x", lambda _: {"x": "x"}, lambda _: View(image="a"), content)
    (tmp_path / "x").touch()
    assert check(target, plan(small()), tmp_path).faults == ()


def test_an_argument_is_compared_by_itself() -> None:
    wanted = {"predict": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}}}
    found = {"predict": {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}}}
    assert differences(View(arguments=found), View(arguments=wanted)) == [
        'arguments.predict.properties.a.type: the files say "string", the module "integer"'
    ]


def test_a_hostile_name_stays_within_its_line() -> None:
    found = {"predict": {"a\n\x9b": "\u2603\x9b"}}
    assert differences(View(arguments=found), View(arguments={"predict": {}})) == [
        r'arguments.predict."a\n\u009b": the files say "\u2603\u009b", the module nothing'
    ]


def test_what_a_format_does_not_say_is_not_compared() -> None:
    assert differences(View(), View()) == []
    assert differences(View(image="a"), View()) == ['image: the files say "a", the module nothing']


def test_a_file_that_is_missing_or_unreadable_is_a_fault(file: Path) -> None:
    file.write_bytes(b"\xff")
    assert "cannot be read: 'utf-8' codec" in judged_by(COMPOSE, file.parent)[0]
    file.unlink()
    assert "No such file" in judged_by(COMPOSE, file.parent)[0]


def test_a_file_of_another_shape_is_a_fault_beside_those_of_its_checker(file: Path) -> None:
    file.write_text("services: {}\n")
    target = dataclasses.replace(TARGET, judge=lambda paths: ["checker: bad"])
    first, second = judged_by(target, file.parent)
    assert first == "checker: bad"
    assert second.startswith("'compose.yaml' is not built as it was exported: ")


def test_a_checker_that_is_missing_is_a_note(file: Path) -> None:
    def missing(paths: Mapping[str, Path]) -> Sequence[str]:
        raise CheckerMissing("Not checked.")

    verdict = check(dataclasses.replace(TARGET, judge=missing), plan(small()), file.parent)
    assert (verdict.faults, verdict.notes) == ((), ("Not checked.",))


@pytest.fixture
def checker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a program on PATH."""
    program = tmp_path / "checker"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return program


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("exit 0", []),
        ("echo fine", []),
        ("echo one; echo; echo two >&2; exit 1", ["checker: one", "checker: two"]),
        ("exit 3", ["checker ended with 3"]),
        ('echo "$2"; exit 1', ["checker: a b"]),
    ],
)
def test_a_checker_is_asked(checker: Path, body: str, said: list[str]) -> None:
    checker.write_text(f"#!/bin/sh\n{body}\n")
    checker.chmod(0o755)
    assert run_checker("checker", ["-x", "a b"], package="p") == said


def test_a_checker_that_is_not_installed_says_how_to_get_it() -> None:
    with pytest.raises(CheckerMissing, match=r"no-such-checker, which is not .* pip install p-q"):
        run_checker("no-such-checker", [], package="p-q")


def test_a_checker_that_does_not_end_is_ended(
    checker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepaas.export.checking._PATIENCE_S", 0.01)
    checker.write_text("#!/bin/sh\nexec sleep 60\n")
    checker.chmod(0o755)
    with pytest.raises(ConfigurationError, match="checker did not end within"):
        run_checker("checker", [], package="p")
