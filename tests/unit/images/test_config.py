# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What an image says of itself is judged as the platform does."""

from typing import Any

import pytest

from deepaas.images.config import check_config
from tests.unit.images.stand import CONFIG


def judged(**changes: Any) -> dict[str, str]:
    """Return what is bad of the good configuration with these changes, by check."""
    document = {**CONFIG, "config": {**CONFIG["config"], **changes}}
    return {each.check: each.text for each in check_config(document) if not each.is_good}


def test_an_image_as_it_should_be_is_good() -> None:
    assert judged() == {}
    assert len(check_config(CONFIG)) == 8


@pytest.mark.parametrize(
    ("changes", "check", "says"),
    [
        ({"ExposedPorts": {"5000/tcp": {}}}, "ports", "EXPOSE 6006 8888"),
        ({"ExposedPorts": None}, "ports", "EXPOSE 5000 6006 8888"),
        ({"User": ""}, "user", "runs as root"),
        ({"User": "0:0"}, "user", "runs as root"),
        ({"Healthcheck": None}, "health", "no HEALTHCHECK"),
        ({"Healthcheck": {"Test": ["NONE"]}}, "health", "no HEALTHCHECK"),
        ({"Labels": {}}, "labels", "no label deepaas.arguments"),
        ({"Labels": {"deepaas.arguments": "[]"}}, "labels", "no JSON object"),
        ({"Labels": {"deepaas.arguments": "{"}}, "labels", "no JSON object"),
        ({"Env": ["jupyterPASSWORD=hunter22"]}, "secrets", "jupyterPASSWORD"),
        ({"Env": ["RCLONE_CONFIG_RSHARE_PASS=hunter22"]}, "secrets", "RCLONE_CONFIG_RSHARE_PASS"),
        (
            {"Env": ["DISABLE_AUTHENTICATION_AND_ASSUME_AUTHENTICATED_USER=yes"]},
            "sign-in",
            "everybody",
        ),
        ({"Cmd": ["bash"]}, "command", "bash starts neither"),
        ({"Cmd": None}, "command", "nothing starts neither"),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, Any], check: str, says: str) -> None:
    found = judged(**changes)
    assert list(found) == [check]
    assert says in found[check]
    assert "hunter22" not in found[check]


def test_an_empty_secret_is_none() -> None:
    assert judged(Env=["jupyterPASSWORD=", "X"]) == {}


def test_deep_start_starts_it_too() -> None:
    assert judged(Entrypoint=["/srv/deep-start"], Cmd=["--deepaas"]) == {}


def test_another_platform_is_bad() -> None:
    found = check_config({**CONFIG, "architecture": "arm64"})
    assert [each.check for each in found if not each.is_good] == ["platform"]


def test_a_configuration_of_nonsense_is_bad_and_no_crash() -> None:
    nonsense = {"config": {"Env": 3, "Labels": [], "ExposedPorts": "x", "User": 1, "Cmd": "sh"}}
    assert not all(each.is_good for each in check_config(nonsense))
    assert not all(each.is_good for each in check_config({"config": []}))
