# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What ran on DEEPaaS 2.6.0 runs here: every row of the contract has tests that carry its id."""
