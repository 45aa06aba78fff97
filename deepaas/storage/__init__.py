# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Files that are kept elsewhere: one interface, a driver for each way to get there."""
