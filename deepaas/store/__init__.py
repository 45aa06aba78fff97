# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Where jobs are kept: one interface in :mod:`deepaas.store.base`, one module for each driver."""
