# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A service takes its model from a share, and brings what it learns there; both are of others."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import shares
from tests.integration.harness import serve, wait_for
from tests.integration.versions import MODEL
from tests.shares import PASSWORD, Share


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Share]:
    with shares.webdav(tmp_path_factory.mktemp("webdav")) as served:
        yield served


def test_a_model_is_pulled_and_what_a_training_leaves_is_pushed(
    share: Share, tmp_path: Path
) -> None:
    """Also where the share fails at first; the training is done all the same."""
    assert share.folder is not None
    (share.folder / "models").mkdir()
    (share.folder / "models" / "a model #1.txt").write_text("weights")
    with shares.breaking(share.port, ["PUT"], times=3) as port:
        url = f"http://127.0.0.1:{port}/remote.php/dav/files/ada"
        options = [
            f"--storage-pull=rshare:models={tmp_path / 'models'}",
            "--storage-push-artifacts=rshare:learnt",
        ]
        environment = {**share.variables, "RCLONE_CONFIG_RSHARE_URL": url}
        with serve(MODEL, tmp_path, *options, environment=environment) as server:
            assert (tmp_path / "models" / "a model #1.txt").read_text() == "weights"
            job = server.train(MODEL, say="meow")["uuid"]
            assert server.wait_training(MODEL, job)["status"] == "done"
            pushed = share.folder / "learnt" / MODEL / job / "weights" / "said"
            wait_for(pushed.exists)
            assert pushed.read_text().startswith("meow\n")
            record = tmp_path / "state" / "jobs" / job / "pushed.json"
            assert wait_for(lambda: record.exists() and json.loads(record.read_bytes()))
            output = server.output()
    assert PASSWORD not in output
    assert "s e:c" not in output


def test_what_cannot_be_pulled_ends_the_start(share: Share, tmp_path: Path) -> None:
    option = f"--storage-pull=rshare:nothing={tmp_path / 'models'}"
    with serve(MODEL, tmp_path, option, environment=share.variables, wait=False) as server:
        assert server.wait_end() == 4
        assert "(404)" in server.output()
        assert PASSWORD not in server.output()
