# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Messages call jobs what people call them."""

import pytest

from deepaas.execution.jobwords import noun_of
from deepaas.records import PROCESS_KINDS


@pytest.mark.parametrize("kind", PROCESS_KINDS)
def test_every_kind_with_a_process_has_a_word(kind: str) -> None:
    assert noun_of(kind) != "job"


def test_any_other_is_a_job() -> None:
    assert noun_of("tidy") == "job"
