# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas config``: what the settings are, where they come from, and what is wrong with them."""
