# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A principal may do what it is allowed, and everyone may ask whether the service lives."""

import pytest
from multidict import CIMultiDict

from deepaas.auth import NoSignIn, Policy, Principal


@pytest.mark.parametrize("policy", Policy)
def test_who_is_allowed_nothing_may_do_only_what_is_public(policy: Policy) -> None:
    assert Principal(None, frozenset()).may(policy) == (policy is Policy.PUBLIC)


@pytest.mark.parametrize("policy", Policy)
def test_a_policy_allows_itself_and_no_other(policy: Policy) -> None:
    principal = Principal("a", frozenset({policy}))
    allowed = {other for other in Policy if principal.may(other)}
    assert allowed == {policy, Policy.PUBLIC}


async def test_without_sign_in_everyone_may_do_everything() -> None:
    principal = await NoSignIn().authenticate(CIMultiDict(Authorization="nonsense"))
    assert principal.name is None
    assert all(principal.may(policy) for policy in Policy)
