# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The names that existing packages import."""

import pytest

import deepaas
from deepaas.model.v2 import wrapper
from deepaas.model.v2.base import BaseModel


@pytest.mark.row("C88")
def test_the_old_names_are_the_new_objects() -> None:
    assert BaseModel is deepaas.BaseModel
    assert wrapper.UploadedFile is deepaas.UploadedFile
    assert wrapper.ReturnedFile is deepaas.ReturnedFile


def test_the_wrappers_keep_their_fields_and_defaults() -> None:
    for kind in (wrapper.UploadedFile, wrapper.ReturnedFile):
        assert kind._fields == ("name", "filename", "content_type", "original_filename")
        assert tuple(kind()) == (None, None, None, None)
