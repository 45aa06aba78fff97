# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Measure the server beside the limits and its peers; see ``doc/source/discussion/performance``.

This file stays empty of imports: the programs of the peers import :mod:`benchmarks.model` in
environments in which nothing else of ours is installed.
"""
