# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Fetch what clients name by address, from the open Internet only."""

from deepaas.fetching.addresses import AddressPolicy
from deepaas.fetching.client import GuardedClient

__all__ = ["AddressPolicy", "GuardedClient"]
