# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The models that are served, and those that could not be."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from deepaas.errors import ModelNotFound, Unavailable
from deepaas.model.arguments import ArgumentParser
from deepaas.model.fetched import fetched_of
from deepaas.records import Argument, ModelDescription, Training


class JobFunction(NamedTuple):
    """A function of a model that runs as a job, with a process of its own."""

    #: Whether the model has it.
    is_there: bool
    arguments: tuple[Argument, ...]
    #: ``None`` where only the model's own process can check a call.
    parser: ArgumentParser | None
    #: What becomes of a job that does not come to its end.
    training: Training = Training()


class RegisteredModel:
    """A served model: its description, and parsers for the calls the server can check itself.

    Attributes:
        description: What the model said of itself.
        predict_parser: ``None`` where only the model's own process can check a call.
        job_functions: By the kind of the job: ``train``, ``evaluate``.
        predict_fetched: The arguments of ``predict`` that are addresses to fetch.
    """

    def __init__(self, description: ModelDescription) -> None:
        self.description = description
        self.predict_parser = _load(description.predict_fields)
        self.predict_fetched = fetched_of(description.predict_arguments)
        self.job_functions: Mapping[str, JobFunction] = {
            "train": JobFunction(
                description.can_train,
                description.train_arguments,
                _load(description.train_fields),
                description.training,
            ),
            "evaluate": JobFunction(
                description.can_evaluate,
                description.evaluate_arguments,
                _load(description.evaluate_fields),
            ),
        }

    @property
    def name(self) -> str:
        """The name in URLs."""
        return self.description.name


class ModelRegistry:
    """Name to model, in the order in which they were announced; not safe across threads.

    A name is either served or failed: what came last counts.
    """

    def __init__(self) -> None:
        self._models: dict[str, RegisteredModel] = {}
        self._failures: dict[str, str] = {}
        self._expected: set[str] = set()
        #: Where each name stands among the others.
        self._order: dict[str, int] = {}
        #: Grows whenever what is served changes.
        self.revision = 0

    def expect(self, name: str) -> None:
        """Announce a model that is being loaded; until it came or failed, asking for it says so."""
        self._expected.add(name)
        self._order.setdefault(name, len(self._order))

    def put(self, description: ModelDescription) -> RegisteredModel:
        """Serve a model, in the place of one of the same name."""
        model = RegisteredModel(description)
        before = self._models.get(model.name)
        if before is None or before.description != description:
            self.revision += 1
        self._models[model.name] = model
        self._order.setdefault(model.name, len(self._order))
        self._failures.pop(model.name, None)
        self._expected.discard(model.name)
        return model

    def update_metadata(self, name: str, metadata: Mapping[str, Any]) -> None:
        """Note what a model says of itself now, if it is still served."""
        model = self._models.get(name)
        if model is not None and model.description.metadata != metadata:
            model.description = replace(model.description, metadata=metadata)

    def fail(self, name: str, reason: str) -> None:
        """Record why a model is not served (any more)."""
        if self._models.pop(name, None) is not None:
            self.revision += 1
        self._expected.discard(name)
        self._failures[name] = reason

    def get(self, name: str) -> RegisteredModel:
        """Return a served model.

        Raises:
            ModelNotFound: It is not known, or failed.
            Unavailable: It is being loaded.
        """
        try:
            return self._models[name]
        except KeyError:
            if name in self._expected:
                raise Unavailable(f"The model {name!r} is loading.") from None
            raise ModelNotFound(name) from None

    def names(self) -> tuple[str, ...]:
        """Return the names of the served models."""
        return tuple(model.name for model in self)

    @property
    def failures(self) -> dict[str, str]:
        """A copy: the name of each model that failed, and the reason."""
        return dict(self._failures)

    def __iter__(self) -> Iterator[RegisteredModel]:
        return iter(sorted(self._models.values(), key=lambda model: self._order[model.name]))

    def __contains__(self, name: object) -> bool:
        """Whether a model of this name is served."""
        return name in self._models

    def __len__(self) -> int:
        return len(self._models)


def _load(fields: bytes | None) -> ArgumentParser | None:
    if fields is None:
        return None
    try:
        return ArgumentParser.load(fields)
    except ValueError:
        # A worker with another version of marshmallow, say: let it check its calls itself.
        return None
