# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas jobs``: the jobs of a service that runs elsewhere, over its REST interface."""
