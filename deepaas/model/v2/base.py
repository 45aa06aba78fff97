# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas.model.v2.base``, as existing packages import it."""

from deepaas.model.base import BaseModel

__all__ = ["BaseModel"]
