# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The API described: Swagger 2.0 and OpenAPI 3.1, made of what routes, parses and validates.

:mod:`~deepaas.api.documents.about` says what each route answers,
:mod:`~deepaas.api.documents.operations` joins that with the models' declared arguments, and
:mod:`~deepaas.api.documents.swagger` and :mod:`~deepaas.api.documents.openapi` write it down.
"""
