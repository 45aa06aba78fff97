# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Who calls, and what they may do."""

from deepaas.auth.base import Authenticator, NoSignIn, TokenSource
from deepaas.auth.principal import STRANGER, Identity, Policy, Principal

__all__ = [
    "STRANGER",
    "Authenticator",
    "Identity",
    "NoSignIn",
    "Policy",
    "Principal",
    "TokenSource",
]
