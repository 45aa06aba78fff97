# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A request is known by its key, where it has one."""

from deepaas.auth import Policy, Principal
from deepaas.records import IdempotencyKey
from deepaas.service.job_request import EVALUATE, JobRequest

WHO = Principal("me", frozenset(Policy))


def test_a_key_is_the_principals_for_a_model_and_a_kind() -> None:
    request = JobRequest(EVALUATE, "cat", WHO, "r", "k", 3)
    assert request.keyed("print") == IdempotencyKey("me", "cat", "evaluate", "k", "print")


def test_a_request_without_a_key_has_none() -> None:
    assert JobRequest(EVALUATE, "cat", WHO, "r").keyed("print") is None
