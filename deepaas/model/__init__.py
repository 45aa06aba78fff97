# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The model layer: find a model, load it, check its arguments, encode its answers.

Nothing here knows processes, HTTP or the store. A worker process uses all of it; the server uses
only what needs no code of the model: ``discovery`` (listing), ``arguments``, ``registry``.
"""
