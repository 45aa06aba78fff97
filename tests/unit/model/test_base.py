# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The class that authors extend."""

import pytest

import deepaas
from deepaas.model.adapter import FUNCTIONS


@pytest.mark.parametrize("name", [*FUNCTIONS, "predict_batch", "health"])
def test_nothing_is_implemented_and_everything_is_explained(name: str) -> None:
    function = getattr(deepaas.BaseModel(), name)

    with pytest.raises(NotImplementedError):
        function(*([[]] if name == "predict_batch" else []))
    assert function.__doc__


def test_a_subclass_overrides_what_it_likes() -> None:
    class Small(deepaas.BaseModel):
        pass

    assert Small().schema is None
