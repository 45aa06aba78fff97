# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Attacks with what clients send: each fails, and works where nothing guards against it.

Where a guard is no option that can be switched off, the same is done in the careless way beside it.
"""
