# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Open the whole service: pick the drivers, connect the objects, close them again."""

from deepaas.wiring.opening import open_service
from deepaas.wiring.signing_in import open_sign_in
from deepaas.wiring.token_sources import open_token_sources

__all__ = ["open_service", "open_sign_in", "open_token_sources"]
