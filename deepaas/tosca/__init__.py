# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Templates of TOSCA: read and written, their inputs, the types they use, and a check offline.

:mod:`~deepaas.tosca.documents` reads and writes, :mod:`~deepaas.tosca.inputs` says which values a
template takes, :mod:`~deepaas.tosca.types` finds the types that it imports without a network, and
:mod:`~deepaas.tosca.validation` checks it.
"""
