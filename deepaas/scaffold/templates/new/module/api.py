"""What DEEPaaS calls: one class, with the model's name, arguments and answers."""

import csv
from pathlib import Path
from typing import Any

import deepaas
from marshmallow import Schema, fields, validate

from {{ module }} import __version__
from {{ module }}.classifier import Classifier, Example, fit, read_examples

#: What a training keeps, and what a promoted version is loaded from.
ARTIFACT = "classifier.json"
EXAMPLES = Path(__file__).with_name("leaves.csv")
#: No leaf is longer, in centimetres.
LONGEST_CM = 100


def _measure(description: str) -> fields.Float:
    return fields.Float(
        required=True,
        validate=validate.Range(0, LONGEST_CM, min_inclusive=False),
        metadata={"description": description},
    )


class Answer(Schema):
    """The form of each answer, checked and described to clients."""

    label = fields.Str(required=True)
    probabilities = fields.Dict(fields.Str(), fields.Float(), required=True)


class Model(deepaas.BaseModel):
    """Tells the kind of a leaf from its length and width."""

    schema = Answer

    _classifier: Classifier | None = None

    def get_metadata(self) -> dict[str, Any]:
        """Say what the model is."""
        return {
            "name": {{ title|quoted }},
            "summary": {{ summary|quoted }},
            "description": "Softmax regression on two measures of a leaf.",
            "author": {{ author|quoted }},
            "license": {{ licence|quoted }},
            "version": __version__,
        }

    def warm(self) -> None:
        """Load what was promoted, else learn from the examples of the package."""
        promoted = deepaas.model_dir()
        if promoted is None:
            examples = _read(EXAMPLES)
            *_, last = fit(examples, epochs=200, learning_rate=0.5)
            self._classifier = last.classifier
        else:
            text = (promoted / ARTIFACT).read_text("utf-8")
            self._classifier = Classifier.from_json(text)

    def get_predict_args(self) -> dict[str, fields.Field]:
        """Declare what a client sends."""
        return {
            "length": _measure("Length of the blade, in centimetres."),
            "width": _measure("Greatest width of the blade, in centimetres."),
        }

    def predict(self, **measured: Any) -> dict[str, Any]:
        """Return the likeliest kind, and the probability of each, together 1."""
        if self._classifier is None:  # A server may be told not to warm its models.
            self.warm()
        assert self._classifier is not None
        values = (measured["length"], measured["width"])
        probabilities = self._classifier.probabilities(values)
        label = max(probabilities, key=lambda each: probabilities[each])
        return {"label": label, "probabilities": probabilities}

    def get_train_args(self) -> dict[str, fields.Field]:
        """Declare what a training takes."""
        return {
            "table": fields.Raw(
                metadata={
                    "location": "files",
                    "description": "CSV with the columns length, width and label;"
                    " without one, the examples of the package are used.",
                }
            ),
            "epochs": fields.Int(
                load_default=200,
                validate=validate.Range(1, 10_000),
                metadata={"description": "Passes over the examples."},
            ),
            "learning_rate": fields.Float(
                load_default=0.5,
                validate=validate.Range(0, 10, min_inclusive=False),
                metadata={"description": "Step size of the descent."},
            ),
        }

    def train(self, **arguments: Any) -> dict[str, Any]:
        """Train a classifier and keep it; promoted, it answers predictions.

        Returns:
            Loss (mean cross-entropy in nats) and accuracy (0 to 1) on the examples, epochs
            done (fewer where the training was cancelled), and the number of examples.
        """
        table: deepaas.UploadedFile | None = arguments.get("table")
        path = EXAMPLES if table is None else Path(table.filename or "")
        epochs = arguments["epochs"]
        examples = _read(path)
        for state in fit(examples, epochs, arguments["learning_rate"]):
            deepaas.progress(
                state.epoch, epochs, loss=state.loss, accuracy=state.accuracy
            )
            if deepaas.is_cancelled():
                break
        text = state.classifier.to_json()
        (deepaas.artifact_dir() / ARTIFACT).write_text(text, "utf-8")
        return {
            "loss": state.loss,
            "accuracy": state.accuracy,
            "epochs": state.epoch,
            "n_examples": len(examples),
        }


def _read(path: Path) -> list[Example]:
    try:
        return read_examples(path)
    except (OSError, ValueError, csv.Error) as exc:
        raise deepaas.InvalidInput(f"The table cannot be used: {exc}") from exc
