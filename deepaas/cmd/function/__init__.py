# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas function``: run a model on what an event names; what serverless platforms call."""

from typing import Final

PROG: Final = "deepaas function"
