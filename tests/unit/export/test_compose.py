# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The service for Compose."""

from typing import Any

import yaml

from deepaas.export import ExportOptions, compose, plan
from tests.unit.export.modules import hostile, small


def document(gpu: bool = False) -> Any:
    return yaml.safe_load(compose.write(plan(small(), ExportOptions(gpu=gpu)))["compose.yaml"])


def test_callers_sign_in_and_nothing_is_open_beyond_the_machine() -> None:
    written = document()
    service = written["services"]["small"]
    assert service["ports"] == [{"target": 5000, "published": "5000", "host_ip": "127.0.0.1"}]
    assert service["secrets"] == ["deepaas_keys"]
    assert written["secrets"] == {"deepaas_keys": {"file": "./keys"}}
    assert service["environment"]["DEEPAAS_API_KEYS_FILE"] == "/run/secrets/deepaas_keys"


def test_state_is_kept_and_nothing_else_can_be_written() -> None:
    service = document()["services"]["small"]
    assert service["volumes"] == ["state:/state", "/tmp"]
    assert service["read_only"] is True
    assert service["command"][5:7] == ["--state-dir", "/state/deepaas"]


def test_gpus_are_reserved_where_they_are_needed() -> None:
    assert "reservations" not in document()["services"]["small"]["deploy"]["resources"]
    resources = document(gpu=True)["services"]["small"]["deploy"]["resources"]
    assert resources["reservations"]["devices"] == [
        {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    ]


def test_compose_replaces_nothing() -> None:
    written = yaml.safe_load(compose.write(plan(hostile()))["compose.yaml"])
    [service] = written["services"].values()
    assert service["environment"]["VALUE_2"] == "{{ template }} $${HOME} $$(id) `id` $$$$ %s"
    assert "$$HOME" in service["command"][-1]
