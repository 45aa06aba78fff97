# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Uploads as the model sees them."""

import os
from pathlib import Path
from typing import Any

import pytest

from deepaas.model.v2.wrapper import ReturnedFile, UploadedFile
from tests.integration.harness import Server

PATH = "/v2/models/takes_files/predict/"


def upload(server: Server, *files: tuple[str, str, bytes], **fields: str) -> Any:
    answer = server.upload(PATH, files, list(fields.items()))
    assert answer.status == 200, answer.text
    return answer.json["predictions"]


@pytest.mark.row("C33", "C35", "C39", "C40")
@pytest.mark.parametrize("name", ["raw", "field", "files"])
def test_a_file_lies_on_disk_for_the_call(server: Server, name: str) -> None:
    told = upload(server, (name, "my cat.PNG", b"cat"))[name]
    path = Path(told.pop("filename"))
    assert path.is_absolute()
    assert path.suffix == ".PNG"
    assert not path.exists()
    assert told == {
        "name": name,
        "content_type": "application/octet-stream",
        "original_filename": "my cat.PNG",
        "content": "cat",
    }


@pytest.mark.row("C34", "C88")
@pytest.mark.parametrize("kind", [UploadedFile, ReturnedFile])
def test_it_is_a_tuple_of_four(kind: Any) -> None:
    assert kind._fields == ("name", "filename", "content_type", "original_filename")
    assert kind() == (None,) * 4
    assert issubclass(kind, tuple)


@pytest.mark.row("C34")
def test_the_type_of_a_file_whose_part_says_none(server: Server) -> None:
    """As clients send it that know no type for the name, Python's requests for one."""
    disposition = 'Content-Disposition: form-data; name="raw"; filename="a.bin"'
    body = f"--b\r\n{disposition}\r\n\r\nx\r\n--b--\r\n".encode()
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    told = server.request("POST", PATH, body=body, headers=headers).json["predictions"]["raw"]
    assert (told["content_type"], told["content"]) == ("application/octet-stream", "x")


@pytest.mark.row("C29")
def test_where_a_browser_s_user_has_chosen_no_file(server: Server) -> None:
    assert upload(server, ("raw", "", b"")) == {}
    assert upload(server, ("raw", "", b"x"))["raw"]["content"] == "x"


@pytest.mark.row("C36")
@pytest.mark.parametrize("name", ["raw", "field"])
def test_a_text_part_is_text(server: Server, name: str) -> None:
    assert upload(server, **{name: "text"}) == {name: "text"}


@pytest.mark.row("C22")
def test_files_only(server: Server) -> None:
    assert upload(server, files="text") == {}


@pytest.mark.row("C37")
def test_of_repeated_parts_the_first_wins(server: Server) -> None:
    told = upload(server, ("raw", "1.txt", b"first"), ("raw", "2.txt", b"second"))
    assert (told["raw"]["original_filename"], told["raw"]["content"]) == ("1.txt", "first")


@pytest.mark.row("C38", "C39")
def test_a_list_of_files(server: Server) -> None:
    one, two = upload(server, ("many", "1.txt", b"first"), ("many", "2.txt", b"second"))["many"]
    assert (one["content"], two["content"]) == ("first", "second")
    assert not os.path.exists(one["filename"])
    assert not os.path.exists(two["filename"])
    assert len(upload(server, ("many", "1.txt", b"first"))["many"]) == 1


@pytest.mark.row("C39")
def test_a_model_may_remove_its_file_itself(server: Server) -> None:
    told = upload(server, ("raw", "a.txt", b"a"), remove="true")["raw"]
    assert told["content"] == "a"
    assert not os.path.exists(told["filename"])
    # Nobody is told that something went wrong.
    assert "cannot be removed" not in server.output()
