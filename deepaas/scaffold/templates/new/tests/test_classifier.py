"""The classifier learns, and is kept and read back without a loss."""

import pytest

from {{ module }}.api import EXAMPLES
from {{ module }}.classifier import Classifier, fit, read_examples


def test_each_epoch_lowers_the_loss() -> None:
    losses = [state.loss for state in fit(read_examples(EXAMPLES), 20, 0.5)]
    assert losses == sorted(losses, reverse=True)


def test_it_tells_nearly_all_examples_right() -> None:
    *_, last = fit(read_examples(EXAMPLES), 100, 0.5)
    assert last.accuracy > 0.9


def test_what_was_kept_answers_the_same() -> None:
    *_, last = fit(read_examples(EXAMPLES), 5, 0.5)
    again = Classifier.from_json(last.classifier.to_json())
    assert again == last.classifier


def test_far_away_values_have_probabilities_too() -> None:
    *_, last = fit(read_examples(EXAMPLES), 5, 0.5)
    probabilities = last.classifier.probabilities((1e6, -1e6))
    assert sum(probabilities.values()) == pytest.approx(1)
