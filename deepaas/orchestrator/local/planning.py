# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a template asks for: which programs, with which models, ports and variables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from deepaas.errors import InvalidDocument
from deepaas.orchestrator.local.commands import MODEL_VARIABLE, CommandLine, environment_of
from deepaas.orchestrator.local.functions import Evaluation, host_of
from deepaas.orchestrator.local.records import CannotDeploy, Program
from deepaas.tosca.documents import parse_document
from deepaas.tosca.inputs import check_inputs, declared_inputs

_DOCKER: Final = "tosca.nodes.indigo.Container.Application.Docker"
#: The types of nodes that stand for programs, and who would deploy them.
_PROVIDERS: Final = {
    f"{_DOCKER}.Marathon": "MARATHON",
    f"{_DOCKER}.Chronos": "CHRONOS",
    "tosca.nodes.indigo.Qcg.Job": "QCG",
    "tosca.nodes.indigo.DEEPaaScont": "IM",
    "tosca.nodes.ec3.Application": "IM",
}
_SERVE: Final = "deepaas-run"
#: Input of the interfaces of EGI's Infrastructure Manager that names the image of a model.
_IM_IMAGE: Final = "ai4eosc_model_image"
#: Variables of a container, and the properties of a node that hold them.
_RCLONE: Final = {
    "RCLONE_CONFIG": "rclone_conf",
    "RCLONE_CONFIG_RSHARE_URL": "rclone_url",
    "RCLONE_CONFIG_RSHARE_VENDOR": "rclone_vendor",
    "RCLONE_CONFIG_RSHARE_USER": "rclone_user",
    "RCLONE_CONFIG_RSHARE_PASS": "rclone_password",
}


class Template:
    """A template whose inputs have values.

    Args:
        text: YAML.
        parameters: Values for its inputs; what no input is called is dropped, as the orchestrator
            does.

    Raises:
        InvalidDocument: It is no template.
        InvalidInputs: A value is missing, or does not fit.
    """

    def __init__(self, text: str, parameters: Mapping[str, Any]) -> None:
        document = parse_document(text, "template")
        declared = declared_inputs(document)
        values = check_inputs(declared, parameters)
        # An input that may be left out is there, without a value.
        self._inputs = {each.name: values.get(each.name) for each in declared}
        topology = document.table().get("topology_template")
        if not isinstance(topology, dict):
            raise InvalidDocument(f"{document.place()}: there is no topology_template.")
        self.nodes = _table(topology, "node_templates")
        self._outputs = _table(topology, "outputs")
        self._types = _table(document.table(), "node_types")
        # What a function asks for must be there before anything is started.
        self.outputs({})
        for name, node in self.nodes.items():
            Evaluation(self.nodes, self._inputs).value(node, name)

    def provider_of(self, node: str) -> str | None:
        """Return who would deploy a node, ``None`` where it stands for no program."""
        kind = str(self.nodes[node].get("type"))
        for _ in range(len(self._types) + 1):
            if kind in _PROVIDERS:
                return _PROVIDERS[kind]
            kind = str(self._types.get(kind, {}).get("derived_from"))
        return None

    @property
    def providers(self) -> set[str]:
        """Who would deploy it."""
        return {found for node in self.nodes if (found := self.provider_of(node)) is not None}

    def outputs(self, attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return the outputs, given what is known of the nodes that run."""
        evaluation = Evaluation(self.nodes, self._inputs, attributes)
        return {name: evaluation.value(each.get("value")) for name, each in self._outputs.items()}

    def host_of(self, node: str) -> str:
        """Return the name of the node that hosts another one, empty if none does."""
        return host_of(self.nodes, node)

    def value(self, node: str, *path: str) -> Any:
        """Return what stands in a node, functions replaced; ``None`` if nothing does."""
        found: Any = self.nodes.get(node)
        for step in path:
            found = found.get(step) if isinstance(found, dict) else None
        return Evaluation(self.nodes, self._inputs).value(found, node)


@dataclass(frozen=True)
class Rules:
    """What the operator has said."""

    #: Models by the image that a template names, with its tag or without.
    images: Mapping[str, str]
    #: Variables that a template may set besides those that are known.
    passed: frozenset[str]
    #: Names of the installed models.
    installed: Sequence[str]


def programs_of(template: Template, rules: Rules) -> tuple[Program, ...]:
    """Return what to start for a template, in the order of its nodes.

    Raises:
        CannotDeploy: There is nothing to start, or it cannot be started here.
    """
    programs = [
        _program(template, node, provider, rules)
        for node in template.nodes
        if (provider := template.provider_of(node)) is not None
    ]
    if not programs:
        raise CannotDeploy(
            "No node of the template runs DEEPaaS: its type is none of"
            f" {', '.join(sorted(_PROVIDERS))}."
        )
    return tuple(programs)


def _program(template: Template, node: str, provider: str, rules: Rules) -> Program:
    if provider == "QCG":
        raise CannotDeploy(f"The node {node!r} is a job of QCG, which is not run here.")
    text = template.value(node, "properties", "command") if provider != "IM" else _SERVE
    command = CommandLine(_SERVE if text is None else str(text))
    is_job = provider == "CHRONOS"
    if command.is_job != is_job:
        wrong = (
            "a job; deepaas-run does not end" if is_job else "a service; deepaas-cli serves nothing"
        )
        raise CannotDeploy(f"The node {node!r} is {wrong}.")
    given = _variables(template, node, provider)
    environment, notes = environment_of(given, rules.passed.__contains__)
    # The command line says it already, and a model is named once.
    named = command.said.get("--model-name") or environment.pop(MODEL_VARIABLE, "")
    named = named or environment.pop("OS_DEFAULT__MODEL_NAME", "")
    environment.pop("OS_DEFAULT__MODEL_NAME", None)
    model = _model(named, _image(template, node, provider), rules)
    return Program(
        node=node,
        is_job=is_job,
        argv=command.argv(model),
        environment=environment,
        port=command.port,
        has_address=provider == "IM",
        base_path=command.said.get("--base-path", "").rstrip("/"),
        folders=command.folders,
        notes=tuple(notes),
    )


def _variables(template: Template, node: str, provider: str) -> dict[str, Any]:
    if provider != "IM":
        found = template.value(node, "properties", "environment_variables")
        return _mapping(found, f"environment_variables of the node {node!r}")
    properties = _mapping(template.value(node, "properties"), f"properties of the node {node!r}")
    if not properties.get("rclone_url"):
        return {}
    variables = {name: properties.get(place) for name, place in _RCLONE.items()}
    return {"RCLONE_CONFIG_RSHARE_TYPE": "webdav", **variables}


def _image(template: Template, node: str, provider: str) -> str:
    if provider != "IM":
        image = template.value(node, "artifacts", "image")
        image = image.get("file") if isinstance(image, dict) else image
    else:
        image = template.value(node, "properties", "dockerhub_img") or template.value(
            node, "interfaces", "Standard", "configure", "inputs", _IM_IMAGE
        )
        if not image:
            raise CannotDeploy(f"The node {node!r} names no image of a model.")
    return str(image or "")


def _model(named: str, image: str, rules: Rules) -> str:
    """Return the model to serve, empty for every installed one.

    What runs here is code of this machine, with its owner's rights: a template may name what is
    installed, and only the operator what is not.
    """
    if named:
        for each in named.split(","):
            if each.strip() not in rules.installed:
                known = ", ".join(rules.installed) or "none"
                raise CannotDeploy(
                    f"The model {each.strip()!r} is not installed here; installed: {known}. A file"
                    " is served where --image IMAGE=FILE.py of serve-local names it for the image."
                )
        return named
    return rules.images.get(image) or rules.images.get(_without_tag(image), "")


def _without_tag(image: str) -> str:
    name, _, tag = image.partition("@")[0].rpartition(":")
    return name if name and "/" not in tag else image


def _table(parent: Mapping[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """Return a mapping of names to mappings, empty where there is none.

    Raises:
        InvalidDocument: Something else stands there.
    """
    found = _mapping(parent.get(name), name)
    for key, each in found.items():
        if not isinstance(each, dict):
            raise InvalidDocument(f"{name}.{key} is no mapping of names to values.")
    return found


def _mapping(found: object, what: str) -> dict[str, Any]:
    if found is not None and not isinstance(found, dict):
        raise InvalidDocument(f"{what} is no mapping of names to values.")
    return {str(key): each for key, each in (found or {}).items()}
