# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas orchestrator``: deployments at an INDIGO PaaS orchestrator, or on this machine."""
