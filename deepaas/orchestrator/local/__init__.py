# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The orchestrator of ``deepaas orchestrator serve-local``: deployments that are processes here."""
