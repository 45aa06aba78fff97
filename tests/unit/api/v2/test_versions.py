# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The versions are shown as existing clients know them."""

from pathlib import Path

import pytest

from tests.unit.api.client import echo_client


@pytest.mark.parametrize("base_path", ["", "/x"])
async def test_versions(tmp_path: Path, base_path: str) -> None:
    async with echo_client(tmp_path, base_path=base_path) as client:
        version = {
            "version": "stable",
            "id": "v2",
            "links": [{"rel": "self", "type": "application/json", "href": f"{base_path}/v2/"}],
        }
        response = await client.get(f"{base_path}/v2/")
        assert response.content_type == "application/json"
        assert await response.json() == version
        response = await client.get(f"{base_path}/")
        assert (await response.json())["versions"] == [version]
