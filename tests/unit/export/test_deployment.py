# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is deployed of a module."""

import dataclasses
from collections.abc import Mapping

import pytest

from deepaas.errors import ConfigurationError
from deepaas.export.deployment import ExportOptions, plan, probe, resource_name
from deepaas.project import Module
from deepaas.records import SourceKind
from tests.unit.export.modules import hostile, small


def named(name: str, kind: SourceKind = SourceKind.ENTRY_POINT) -> Module:
    source = dataclasses.replace(small().source, name=name, kind=kind)
    return dataclasses.replace(small(), source=source)


def with_environment(values: Mapping[str, str]) -> Module:
    settings = dataclasses.replace(small().settings, environment=values)
    return dataclasses.replace(small(), settings=settings)


def test_a_deployment_is_the_module_behind_its_keys() -> None:
    deployment = plan(hostile())
    assert deployment.image == hostile().image
    assert deployment.resources == hostile().resources
    assert deployment.ports == (5000, 6006, 8888)
    assert deployment.command[:3] == ("deepaas-run", "--listen-ip", "0.0.0.0")
    assert deployment.environment.items() >= hostile().settings.environment.items()
    assert deployment.environment["DEEPAAS_API_KEYS_FILE"] == "/run/secrets/deepaas_keys"


def test_options_come_before_the_module() -> None:
    deployment = plan(small(), ExportOptions(gpu=True, image="registry.example/a", flavour="f"))
    assert deployment.resources.gpus == 1
    assert deployment.image == "registry.example/a:1.0"
    assert deployment.flavour == "f"
    assert plan(hostile(), ExportOptions(gpu=True)).resources.gpus == 3


def test_an_image_has_to_be_a_reference() -> None:
    with pytest.raises(ConfigurationError, match="'a b' is no reference of an image"):
        plan(small(), ExportOptions(image="a b"))


@pytest.mark.parametrize(
    ("name", "kind", "last"),
    [
        ("a b", SourceKind.ENTRY_POINT, "--model-name=a b"),
        ("small", SourceKind.OBJECT, "--model-name=tests.unit.export.modules:Small"),
        # What the option, a list, cannot say.
        ("a,b", SourceKind.ENTRY_POINT, "/state/deepaas"),
        (" a", SourceKind.ENTRY_POINT, "/state/deepaas"),
    ],
)
def test_the_command_names_the_model(name: str, kind: SourceKind, last: str) -> None:
    assert plan(named(name, kind)).command[-1] == last


def test_a_single_file_is_nothing_to_deploy() -> None:
    with pytest.raises(ConfigurationError, match="init --adopt"):
        plan(named("small", SourceKind.FILE))


@pytest.mark.parametrize(
    "name",
    [
        "DEEPAAS_API_KEYS",
        "DEEPAAS_TOKEN",
        "RCLONE_CONFIG_RSHARE_PASS",
        "jupyterPASSWORD",
        "SECRET",
        "SECRET_KEY",
        "SSH_PRIVATE_KEY",
        "KEY_PASSPHRASE",
        "DB_PWD",
    ],
)
def test_a_secret_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"sets '{name}', which looks like a secret"):
        plan(with_environment({name: "x"}))


def test_an_address_with_a_password_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="sets 'DB', which looks like a secret") as told:
        plan(with_environment({"DB": "postgres://ada:hunter2@db.example/digits"}))
    assert "hunter2" not in str(told.value)
    open_one = "https://ada@db.example:5432/a@b"
    assert plan(with_environment({"DB": open_one})).environment["DB"] == open_one


@pytest.mark.parametrize(
    "name", ["PWD_OF_DATA", "MONKEY", "DEEPAAS_TOKEN_FILE", "COMPASS", "KEYBOARD", "TOKENS_AT_ONCE"]
)
def test_what_only_sounds_like_one_is_not(name: str) -> None:
    assert plan(with_environment({name: "x"})).environment[name] == "x"


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("digits", "digits"),
        ('"; rm -rf /', "rm-rf"),
        ("5 Numbers_of", "model-5-numbers-of"),
        ("☃", "model"),
        ("a" * 39 + "_b", "a" * 39),
    ],
)
def test_names_of_objects_have_the_alphabet_of_hosts(name: str, made: str) -> None:
    assert resource_name(plan(named(name))) == made


def test_the_probe_is_a_program() -> None:
    compile(probe(5000), "probe", "exec")
    assert "http://127.0.0.1:5000/v2/health/ready" in probe(5000)
