# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Reference programs: how fast a server may get that does nothing but pass calls on."""
