# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The models that are served, and those that could not be."""

from collections.abc import Iterator

from deepaas.errors import ModelNotFound
from deepaas.model.arguments import ArgumentParser
from deepaas.records import ModelDescription


class RegisteredModel:
    """A served model: its description, and parsers for the calls the server can check itself.

    Attributes:
        description: What the model said of itself.
        predict_parser: ``None`` where only the model's own process can check a call.
        train_parser: Likewise.
    """

    def __init__(self, description: ModelDescription) -> None:
        self.description = description
        self.predict_parser = _load(description.predict_fields)
        self.train_parser = _load(description.train_fields)

    @property
    def name(self) -> str:
        """The name in URLs."""
        return self.description.name


class ModelRegistry:
    """Name to model, in the order in which they came; not safe across threads.

    A name is either served or failed: what came last counts.
    """

    def __init__(self) -> None:
        self._models: dict[str, RegisteredModel] = {}
        self._failures: dict[str, str] = {}

    def put(self, description: ModelDescription) -> RegisteredModel:
        """Serve a model, in the place of one of the same name."""
        model = RegisteredModel(description)
        self._models[model.name] = model
        self._failures.pop(model.name, None)
        return model

    def fail(self, name: str, reason: str) -> None:
        """Record why a model is not served (any more)."""
        self._models.pop(name, None)
        self._failures[name] = reason

    def get(self, name: str) -> RegisteredModel:
        """Return a served model.

        Raises:
            ModelNotFound: It is not known, or failed.
        """
        try:
            return self._models[name]
        except KeyError:
            raise ModelNotFound(name) from None

    def names(self) -> tuple[str, ...]:
        """Return the names of the served models."""
        return tuple(self._models)

    @property
    def failures(self) -> dict[str, str]:
        """A copy: the name of each model that failed, and the reason."""
        return dict(self._failures)

    def __iter__(self) -> Iterator[RegisteredModel]:
        return iter(tuple(self._models.values()))

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
