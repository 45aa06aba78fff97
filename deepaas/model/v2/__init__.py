# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The import names that model packages of DEEPaaS 1 and 2 use."""
