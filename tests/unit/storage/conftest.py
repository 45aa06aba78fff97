# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""One server of each kind for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests import shares


@pytest.fixture(scope="package")
def share(tmp_path_factory: pytest.TempPathFactory) -> Iterator[shares.Share]:
    """Serve WebDAV."""
    with shares.webdav(tmp_path_factory.mktemp("webdav")) as served:
        yield served


@pytest.fixture(scope="package")
def buckets() -> Iterator[shares.Share]:
    """Serve S3."""
    with shares.s3() as served:
        yield served
