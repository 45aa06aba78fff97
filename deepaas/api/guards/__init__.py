# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What protects the service from clients, and from pages in the browsers of its users.

Each guard is made once, from the settings, and is not there at all where it is switched off.
"""

from deepaas.api.guards.guards import Guards, make_guards

__all__ = ["Guards", "make_guards"]
