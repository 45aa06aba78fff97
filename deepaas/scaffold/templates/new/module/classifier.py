"""The learning itself: softmax regression, in plain Python; put your own in its place."""

import csv
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

#: The columns of a table that are numbers.
MEASURES = ("length", "width")


class Example(NamedTuple):
    """Measures of something whose kind is known."""

    values: tuple[float, ...]
    label: str


@dataclass(frozen=True)
class Classifier:
    """What was learnt: for each label a bias, and a weight for each measure."""

    labels: tuple[str, ...]
    #: Of each measure, so that all weigh alike.
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    #: For each label the bias, then the weights.
    weights: tuple[tuple[float, ...], ...]

    def probabilities(self, values: Sequence[float]) -> dict[str, float]:
        """Return the probability of each label, together 1."""
        inputs = self.scaled(values)
        scores = [
            sum(weight * each for weight, each in zip(row, inputs, strict=True))
            for row in self.weights
        ]
        # Subtracting the greatest keeps the powers finite and changes no ratio.
        powers = [math.exp(score - max(scores)) for score in scores]
        total = sum(powers)
        return {
            label: power / total
            for label, power in zip(self.labels, powers, strict=True)
        }

    def scaled(self, values: Sequence[float]) -> list[float]:
        """Return 1 for the bias, and the measures with mean 0 and deviation 1."""
        columns = zip(values, self.means, self.deviations, strict=True)
        return [1.0, *((each - mean) / deviation for each, mean, deviation in columns)]

    def to_json(self) -> str:
        """Return all of it as a text that :meth:`from_json` reads."""
        return json.dumps(self.__dict__, ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Classifier":
        """Make one of what :meth:`to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        return cls(
            labels=tuple(fields["labels"]),
            means=tuple(fields["means"]),
            deviations=tuple(fields["deviations"]),
            weights=tuple(map(tuple, fields["weights"])),
        )


class Epoch(NamedTuple):
    """Where a training stands."""

    #: Counts from 1.
    epoch: int
    classifier: Classifier
    #: Mean cross-entropy over the examples before the step, in nats.
    loss: float
    #: Part of the examples that it told right, 0 to 1.
    accuracy: float


def read_examples(path: Path) -> list[Example]:
    """Read a table, CSV in UTF-8 with a head.

    Raises:
        ValueError: A column is missing, a cell is no number, or there is one label only.
        OSError: The file cannot be read.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file)
        if missing := {*MEASURES, "label"}.difference(table.fieldnames or ()):
            raise ValueError(f"no column {', '.join(sorted(missing))}")
        examples = [_example(row, table.line_num) for row in table]
    if len({example.label for example in examples}) < 2:
        raise ValueError("there have to be examples of two labels at least")
    return examples


def _example(row: dict[str, str | None], line: int) -> Example:
    try:
        values = tuple(float(row[name] or "") for name in MEASURES)
    except ValueError as exc:
        raise ValueError(f"line {line}: {exc}") from exc
    if not all(map(math.isfinite, values)):
        raise ValueError(f"line {line}: a measure is not finite")
    return Example(values, (row["label"] or "").strip())


def fit(
    examples: Sequence[Example], epochs: int, learning_rate: float
) -> Iterator[Epoch]:
    """Train by gradient descent; stop iterating to stop after the epoch just seen."""
    labels = tuple(sorted({example.label for example in examples}))
    columns = list(zip(*(example.values for example in examples), strict=True))
    means = tuple(sum(column) / len(column) for column in columns)
    deviations = tuple(
        math.sqrt(sum((each - mean) ** 2 for each in column) / len(column)) or 1.0
        for column, mean in zip(columns, means, strict=True)
    )
    zeros = tuple((0.0,) * (len(means) + 1) for _ in labels)
    classifier = Classifier(labels, means, deviations, zeros)
    for epoch in range(1, epochs + 1):
        classifier, loss, accuracy = _step(classifier, examples, learning_rate)
        yield Epoch(epoch, classifier, loss, accuracy)


def _step(
    classifier: Classifier, examples: Sequence[Example], learning_rate: float
) -> tuple[Classifier, float, float]:
    """Go one step downhill; return also the loss and the accuracy before it."""
    slopes = [[0.0] * len(row) for row in classifier.weights]
    loss, right = 0.0, 0
    for example in examples:
        inputs = classifier.scaled(example.values)
        guesses = classifier.probabilities(example.values)
        loss -= math.log(max(guesses[example.label], 1e-15))
        right += max(guesses, key=lambda each: guesses[each]) == example.label
        for slope, label in zip(slopes, classifier.labels, strict=True):
            error = guesses[label] - (label == example.label)
            for index, each in enumerate(inputs):
                slope[index] += error * each
    count = len(examples)
    weights = tuple(
        tuple(
            weight - learning_rate * each / count
            for weight, each in zip(row, slope, strict=True)
        )
        for row, slope in zip(classifier.weights, slopes, strict=True)
    )
    changed = Classifier(
        classifier.labels, classifier.means, classifier.deviations, weights
    )
    return changed, loss / count, right / count
