# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Values are counted by the first bound that they do not exceed."""

from deepaas.telemetry.histogram import Buckets, Histogram


def test_a_bound_belongs_to_its_bucket() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 2.5):
        histogram.add(value)
    assert histogram.read() == Buckets((1.0, 2.0), (2, 2, 1), 7.5)
    assert histogram.read().number == 5


def test_what_was_read_does_not_change() -> None:
    histogram = Histogram((1.0,))
    before = histogram.read()
    histogram.add(3.0)
    assert before == Buckets.empty((1.0,))
    assert histogram.read().since(before) == Buckets((1.0,), (0, 1), 3.0)
    assert before.plus(histogram.read()) == histogram.read()


def test_it_counts_in_memory_that_it_is_given() -> None:
    memory = bytearray(32)
    counts, total = memoryview(memory).cast("Q")[:3], memoryview(memory).cast("d")[3:]
    Histogram((1.0, 2.0), counts, total).add(1.5)
    assert Histogram((1.0, 2.0), counts, total).read() == Buckets((1.0, 2.0), (0, 1, 0), 1.5)
