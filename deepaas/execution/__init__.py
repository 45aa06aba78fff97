# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Runs models in processes of their own: predictions in a warm pool, trainings one by one."""
