# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What outputs are called, and that each is there whole or not at all."""

import io
import json
from pathlib import Path

import pytest

from deepaas.errors import ConfigurationError, InvalidInput
from deepaas.functions.outputs import Debts, Outputs, output_names, problem_text, suffix_of
from deepaas.model.encoding import EncodedAnswer

JSON = EncodedAnswer("application/json", b"{}")


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("good.json", "good"),
        ("my.photo.v2.json", "my.photo.v2"),
        ("a b.png", "a b"),
        ("größe", "größe"),
        ("folder.d/x.tar.gz", "folder.d/x.tar"),
        (".env", ".env"),
        ('"; rm -rf $(x) {{y}}\n.json', '"; rm -rf $(x) {{y}}\n'),
    ],
)
def test_an_output_is_called_after_its_object(name: str, output: str) -> None:
    assert output_names([name]) == [output]


def test_objects_that_would_share_an_output_keep_their_whole_names() -> None:
    assert output_names(["a.jpg", "a.png", "b.png"]) == ["a.jpg", "a.png", "b"]
    assert output_names(["x/a.jpg", "y/a.jpg"]) == ["x/a", "y/a"]
    # The second would be what the error of the first is called.
    assert output_names(["a.json", "a.error.json"]) == ["a", "a.error.json"]
    assert output_names(["a.error.json"]) == ["a.error"]


def test_objects_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"The outputs of 'a.png' and 'a.png.json' would have"):
        output_names(["a.jpg", "a.png", "a.png.json"])


@pytest.mark.parametrize(
    ("answer", "suffix"),
    [
        (JSON, ".json"),
        (EncodedAnswer("image/png; q=1", b""), ".png"),
        (EncodedAnswer("application/zip", b""), ".zip"),
        (EncodedAnswer("application/x-own", b"", filename="a.own"), ".own"),
        (EncodedAnswer("application/x-own", b""), ".bin"),
    ],
)
def test_a_file_has_the_suffix_of_its_type(answer: EncodedAnswer, suffix: str) -> None:
    assert suffix_of(answer) == suffix


def test_an_output_replaces_the_one_of_an_earlier_run(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "new", "r1")
    assert outputs.write("x/a", JSON) == tmp_path / "new" / "x" / "a.json"
    file = io.BytesIO(b"content")
    outputs.write("x/a", EncodedAnswer("application/json", file=file))
    assert file.closed
    assert (tmp_path / "new/x/a.json").read_bytes() == b"content"
    assert [path.name for path in (tmp_path / "new/x").iterdir()] == ["a.json"]


def test_a_problem_has_a_name_of_its_own(tmp_path: Path) -> None:
    path = Outputs(tmp_path, "r1").write_problem("a", {"status": "error", "object": "a\udcff"})
    assert path.name == "a.error.json"
    assert json.loads(path.read_text()) == {"status": "error", "object": "a\udcff"}
    assert problem_text({"message": "größe"}) == '{"message": "größe"}\n'.encode()


def test_an_output_ends_the_problem_of_an_earlier_run(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path, "r1")
    outputs.write_problem("a", {"status": "error"})
    outputs.write("a", JSON)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("content", [b'{"status": "cat"}', b"[1]", b"", b"\xff", b"[" * 200_000])
def test_what_is_no_problem_of_ours_stays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.error.json").write_bytes(content)
    Outputs(tmp_path, "r1").write("a", JSON)
    assert (tmp_path / "a.error.json").read_bytes() == content


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path, "r1")
    (tmp_path / "a.json").mkdir()
    with pytest.raises(ConfigurationError, match=r"a\.json cannot be written"):
        outputs.write("a", JSON)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        outputs.write("file/a", JSON)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "file"]


def test_what_was_begun_by_a_process_that_is_gone_is_removed(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for name in ("x/.r1-0.part", ".r1-1.part", ".r2-1.part", "a.part"):
        (tmp_path / name).touch()
    Outputs(tmp_path, "r1").remove_parts()
    assert sorted(path.name for path in tmp_path.rglob("*.part")) == [".r2-1.part", "a.part"]


def test_outputs_do_not_lie_beside_objects(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "out", "r1")
    outputs.refuse_beside({"a.json": tmp_path / "a.json", "a/b.json": tmp_path / "out" / "b.json"})
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "out" / "b.json")
    within = tmp_path / "out" / "more" / "b.json"
    for name, path in {"b.json": link.readlink(), "l.json": link, "more/b.json": within}.items():
        with pytest.raises(
            ConfigurationError, match=r"would lie beside the object '(b|link)\.json'"
        ):
            outputs.refuse_beside({"a.json": tmp_path / "a.json", name: path})


def test_a_training_keeps_its_files_beside_its_output(tmp_path: Path) -> None:
    assert Outputs(tmp_path, "r1").folder_of("a.b") == tmp_path / "a.b.artifacts"


def test_what_is_owed_is_known_to_whoever_is_left(tmp_path: Path) -> None:
    Debts(tmp_path).owe({"a": "in/a", "b\n": "in/b", "c": "in/c"})
    assert Debts(tmp_path).left() == {"a": "in/a", "b\n": "in/b", "c": "in/c"}
    Debts(tmp_path).pay("b\n")
    Debts(tmp_path).pay("a")
    assert Debts(tmp_path).left() == {"c": "in/c"}
