# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The manifests for Kubernetes."""

from typing import Any

import pytest
import yaml

from deepaas.errors import ConfigurationError
from deepaas.export import ExportOptions, kubernetes, plan
from tests.unit.export.modules import hostile, small


def objects(gpu: bool = False) -> dict[str, Any]:
    text = kubernetes.write(plan(small(), ExportOptions(gpu=gpu)))["kubernetes.yaml"]
    return {each["kind"]: each for each in yaml.safe_load_all(text)}


def test_no_secret_is_in_the_file_but_its_name() -> None:
    made = objects()
    assert sorted(made) == ["Deployment", "PersistentVolumeClaim", "Service"]
    pod = made["Deployment"]["spec"]["template"]["spec"]
    assert pod["volumes"][2]["secret"]["secretName"] == "small-keys"
    [head] = {kubernetes.write(plan(small()))["kubernetes.yaml"].partition("---")[0]}
    assert "kubectl create secret generic small-keys --from-file=deepaas_keys=keys" in head


def test_the_service_leads_to_the_pod() -> None:
    made = objects()
    template = made["Deployment"]["spec"]["template"]
    assert made["Service"]["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    names = {each["name"] for each in template["spec"]["containers"][0]["ports"]}
    assert {each["targetPort"] for each in made["Service"]["spec"]["ports"]} == names


def test_probes_and_rights() -> None:
    pod = objects()["Deployment"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/v2/health/live"
    assert container["readinessProbe"]["httpGet"]["path"] == "/v2/health/ready"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_gpus_are_asked_for_where_they_are_needed() -> None:
    def limits(gpu: bool = False) -> Any:
        spec = objects(gpu)["Deployment"]["spec"]["template"]["spec"]
        return spec["containers"][0]["resources"]["limits"]

    assert "nvidia.com/gpu" not in limits()
    assert limits(gpu=True)["nvidia.com/gpu"] == "1"


def test_kubernetes_replaces_nothing() -> None:
    text = kubernetes.write(plan(hostile()))["kubernetes.yaml"]
    made = {each["kind"]: each for each in yaml.safe_load_all(text)}
    [container] = made["Deployment"]["spec"]["template"]["spec"]["containers"]
    values = {each["name"]: each["value"] for each in container["env"]}
    assert values["VALUE_2"] == "{{ template }} $${HOME} $$(id) `id` $$$$ %s"


@pytest.mark.parametrize(
    ("quantity", "memory_mb"),
    [("4000M", 4000), ("4G", 4000), ("4Gi", 4294), ("4e9", 4000), ("4000000000", 4000)],
)
def test_quantities_are_read_in_every_unit(quantity: str, memory_mb: int) -> None:
    text = kubernetes.write(plan(small()))["kubernetes.yaml"].replace("4000M", quantity)
    read = kubernetes.read({"kubernetes.yaml": text})
    assert read.resources is not None
    assert read.resources.memory_mb == memory_mb


def test_what_is_no_quantity_is_named() -> None:
    text = kubernetes.write(plan(small()))["kubernetes.yaml"].replace("4000M", "much")
    with pytest.raises(ConfigurationError, match="'much' is no amount of memory"):
        kubernetes.read({"kubernetes.yaml": text})
