# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model at work as a function: one load, and an output for each object."""

import base64
import io
import json
import logging
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from deepaas.cmd.function.run import Run
from deepaas.cmd.function.task import EVENT, take_task
from deepaas.config import load_function_settings
from deepaas.errors import ConfigurationError, ModelLoadError

MODEL = Path(__file__).with_name("answering.py")


class Scene:
    """Folders of a run, and what comes of it."""

    def __init__(self, folder: Path) -> None:
        self.inputs, self.outputs = folder / "in", folder / "out"
        self._work, self._copies = folder / "work", folder / "copies"
        for made in (self.inputs, self._work, self._copies):
            made.mkdir()

    def put(self, name: str, content: str | bytes) -> Path:
        path = self.inputs / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def pack(self, name: str, **members: str) -> Path:
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            for member, text in members.items():
                archive.writestr(member.replace("__", "."), text)
        return self.put(name, data.getvalue())

    def run(self, *argv: str, event: bytes | None = None) -> tuple[list[str], bytes]:
        """Run in this process; return the outputs that are problems, and what is answered."""
        if event is not None:
            (self._work / EVENT).write_bytes(event)
        settings = load_function_settings([f"--model-name={MODEL}", *argv])
        result = io.BytesIO()
        sys.modules.pop(MODEL.stem, None)  # a process loads a model once
        task = take_task(settings, self._work)
        try:
            return Run(task, self._copies, result).run(), result.getvalue()
        finally:
            assert task.debts.left() == {}
            assert list(self._copies.iterdir()) == []

    def over_inputs(self, *argv: str) -> list[str]:
        failed, answer = self.run(f"--input={self.inputs}", f"--output-dir={self.outputs}", *argv)
        assert answer == b""
        return failed

    def left(self) -> dict[str, Any]:
        return {
            str(path.relative_to(self.outputs)): json.loads(path.read_bytes())
            for path in self.outputs.rglob("*.json")
        }


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    for name in ("INPUT_FILE_PATH", "EVENT", "TMP_OUTPUT_DIR", "DEEPAAS_V2_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return Scene(tmp_path)


def test_each_object_of_a_folder_has_an_output_and_the_model_is_loaded_once(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.put("a.jpg", b"x")
    scene.put("a.png", b"x")
    scene.put("b c.v2.json", '{"n": 2}')
    scene.put("raise.json", '{"how": "raise"}')
    scene.put("wrong.json", '{"n": 0}')
    assert scene.over_inputs() == ["raise", "wrong"]
    left = scene.left()
    assert left.pop("raise.error.json")["message"] == "ValueError: no such thing"
    assert left.pop("wrong.error.json")["message"].startswith("n: Must be greater")
    assert left == {
        "a.jpg.json": {"n": 1, "data": "a.jpg", "warmed": 1},
        "a.png.json": {"n": 1, "data": "a.png", "warmed": 1},
        "b c.v2.json": {"n": 2, "data": None, "warmed": 1},
    }
    # The author's code is in the log, and none of ours.
    (failure, refusal) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert failure.exc_info is not None
    assert refusal.exc_info is None


def test_a_message_names_no_path(scene: Scene) -> None:
    scene.put("a.png", b"x")
    event = b'{"how": "cannot open", "oscar-files": [{"data": "eA=="}]}'
    failed, answer = scene.run(event=event)
    assert failed == ["answer"]
    assert "/" not in json.loads(answer)["message"]


def test_what_an_archive_holds_are_objects(scene: Scene) -> None:
    scene.pack("batch.zip", one__json='{"n": 1}', two__json='{"how": "invalid"}')
    assert scene.over_inputs() == ["two"]
    assert sorted(scene.left()) == ["one.json", "two.error.json"]
    assert scene.left()["two.error.json"]["object"] == "batch.zip: two.json"
    assert scene.over_inputs("--archives=keep", "--nowarm") == []
    assert scene.left()["batch.json"]["data"] == "batch.zip"


def test_several_archives_do_not_share_outputs_and_a_bad_one_fails_alone(scene: Scene) -> None:
    scene.pack("a.zip", x__json="{}")
    scene.pack("b.zip", x__json="{}")
    scene.pack("c.zip", **{"../x__json": "{}"})
    assert scene.over_inputs("--archives=unpack") == ["c"]
    assert sorted(scene.left()) == ["a/x.json", "b/x.json", "c.error.json"]


def test_members_that_cannot_be_told_apart_are_a_problem_of_their_archive(scene: Scene) -> None:
    scene.pack("batch.zip", a__jpg="", a__png="", a__png__json="{}")
    assert scene.over_inputs() == ["batch"]
    assert "would have the same name" in scene.left()["batch.error.json"]["message"]


def test_an_archive_needs_a_folder_for_its_outputs(scene: Scene) -> None:
    path = scene.pack("batch.zip", a__json="{}", b__json="{}")
    with pytest.raises(ConfigurationError, match="--output-dir"):
        scene.run(f"--input={path}")


def test_media_are_files_of_their_type(scene: Scene) -> None:
    scene.put("photo.jpg", b"x")
    scene.put("text.json", '{"accept": "application/json"}')
    assert scene.over_inputs("--content-type=image/png") == []
    assert (scene.outputs / "photo.png").read_bytes() == b"\x89PNG"
    assert (scene.outputs / "text.json").exists()


def test_a_call_is_answered_with_json_or_base64(scene: Scene) -> None:
    assert json.loads(scene.run(event=b'{"n": 4}')[1])["n"] == 4
    _, answer = scene.run(event=b'{"accept": "image/png"}')
    assert base64.b64decode(answer) == b"\x89PNG"
    _, answer = scene.run("--content-type=text/plain", event=base64.b64encode(b"some text"))
    assert base64.b64decode(answer) == b"some text"


def test_one_object_may_be_answered_at_standard_output(scene: Scene) -> None:
    path = scene.put("a.json", '{"how": "raise"}')
    failed, answer = scene.run(f"--input={path}")
    assert failed == ["a"]
    assert json.loads(answer)["object"] == "a.json"


def test_a_model_that_cannot_be_loaded_fails_every_object(scene: Scene) -> None:
    scene.put("a.json", "{}")
    scene.put("b.json", "{}")
    with pytest.raises(ConfigurationError):
        scene.over_inputs("--model-name=/none.py")
    told = "The function is not set up as it must be; its log says what is wrong."
    assert {each["message"] for each in scene.left().values()} == {told}
    assert sorted(scene.left()) == ["a.error.json", "b.error.json"]


def test_a_model_that_cannot_be_warmed_fails_every_object(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLD", "1")
    with pytest.raises(ModelLoadError):
        scene.run(event=b"{}")


def test_a_name_that_is_too_long_for_its_error_does_not_end_the_others(
    tmp_path: Path, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.put(f"{'a' * 248}.json", '{"n": 0}')
    scene.put("b.json", "{}")
    with pytest.raises(AssertionError):  # it is owed still
        scene.over_inputs()
    assert list(scene.left()) == ["b.json"]
    assert "cannot be written: File name too long" in caplog.text
