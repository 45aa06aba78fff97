# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""One server for most of the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import Server, serve

MODELS = Path(__file__).parent / "models"


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of all models of this folder, each named after its file."""
    models = ",".join(str(path) for path in sorted(MODELS.glob("*.py")))
    with serve(models, tmp_path_factory.mktemp("contract")) as running:
        yield running
