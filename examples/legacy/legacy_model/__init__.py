# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Statistics of an image, in a package as version 2 of DEEPaaS wanted it.

:mod:`legacy_model.api` is what DEEPaaS calls, :mod:`legacy_model.statistics` the work.
"""
