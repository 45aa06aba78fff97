# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The README keeps its word."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.blocks import blocks_of, commands_of
from tests.acceptance.walk import END_S, walking

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("make")), reason="no curl, no make")
@pytest.mark.timeout(300)
def test_the_digits_model_answers_and_trains(tmp_path: Path) -> None:
    """`make run` ends with a model that reads a 7; Ctrl-C ends it and all of its processes."""
    with walking(README, ROOT, tmp_path) as walk:
        assert walk.service is not None
        assert walk.service.interrupt(limit_s=END_S) == []


def test_the_walk_shows_what_matters() -> None:
    """The walk above would pass on a README that shows nothing."""
    marked = [block for block in blocks_of(README) if block.mark]
    lines = [command.line for block in marked for command in commands_of(block)]
    assert lines[0] == "make run"
    assert (
        "curl -F data=@examples/digits/samples/7.png"
        " http://127.0.0.1:5000/v2/models/digits/predict/"
    ) in lines
    assert '"digit": 7' in marked[1].text


@pytest.mark.skipif(not shutil.which("make"), reason="no make")
def test_every_make_target_that_is_named_exists() -> None:
    texts = [README.read_text("utf-8"), (ROOT / "CONTRIBUTING.md").read_text("utf-8")]
    targets = sorted(set(re.findall(r"(?:`|\$ )make ([a-z]+)", "\n".join(texts))))
    assert {"run", "test"} <= set(targets)
    for target in targets:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_to_files(name: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / name).read_text("utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []
