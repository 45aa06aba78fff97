# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Python imports this at its start where this folder is in ``PYTHONPATH``: see ``killing.py``."""

import kill_points  # type: ignore[import-not-found]  # it lies beside this file

kill_points.install()
