# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Cannot be imported."""

raise RuntimeError("libcuda is missing")
