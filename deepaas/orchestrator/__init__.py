# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The INDIGO PaaS orchestrator: a client of its REST interface, and a small one for a laptop."""
