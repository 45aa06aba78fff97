# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Open the whole service: pick the drivers, connect the objects, close them again."""

from deepaas.wiring.opening import open_service

__all__ = ["open_service"]
