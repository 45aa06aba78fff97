# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Alien4Cloud: its topologies to and from the orchestrator's templates, and its archives.

:mod:`~deepaas.alien4cloud.from_alien` and :mod:`~deepaas.alien4cloud.to_alien` translate,
:mod:`~deepaas.alien4cloud.archives` and :mod:`~deepaas.alien4cloud.bundle` write archives (CSAR)
and :mod:`~deepaas.alien4cloud.archive_check` says what Alien4Cloud would refuse in one.
"""
