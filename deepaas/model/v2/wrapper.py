# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas.model.v2.wrapper``, as existing packages import it."""

from deepaas.records import ReturnedFile, UploadedFile

__all__ = ["ReturnedFile", "UploadedFile"]
