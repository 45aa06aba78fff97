# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model as a serverless function: from an event to an output for each object that it names.

:mod:`~deepaas.functions.events` reads what a platform tells, :mod:`~deepaas.functions.objects`
finds what it is about, :mod:`~deepaas.functions.calls` makes the input of a model of that, and
:mod:`~deepaas.functions.outputs` keeps what came of it. ``deepaas function`` runs the model.
"""
