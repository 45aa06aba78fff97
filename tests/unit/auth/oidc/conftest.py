# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An issuer that does what a test wants, and an authority that it is proven by."""

from collections.abc import Iterator

import pytest

from tests.authority import Authority
from tests.issuing import PlayedIssuer, Stranger


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def played(authority: Authority) -> Iterator[PlayedIssuer]:
    with PlayedIssuer(authority) as issuer:
        yield issuer


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    """Nobody may have asked it in the end."""
    with Stranger() as stranger:
        yield stranger
        assert not stranger.was_asked()
