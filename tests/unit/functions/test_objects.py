# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Where the objects of a function are, and what they are called."""

import json
import os
from pathlib import Path

import pytest

from deepaas.errors import ConfigurationError, InvalidInput
from deepaas.functions.events import Call
from deepaas.functions.objects import Item, Request, take_request
from tests.unit.functions import samples

BODY = "event-file-01234567-89ab-cdef-0123-456789abcdef"


def event(value: object) -> bytes:
    return json.dumps(value).encode()


def names(request: Request | None) -> list[str]:
    assert request is not None
    return [item.name for item in request.items]


def test_nothing_is_asked_for() -> None:
    assert take_request(None, None, {}) is None


def test_the_supervisor_gives_an_object_and_its_key(tmp_path: Path) -> None:
    file = tmp_path / "a b.json"
    file.touch()
    environ = {"INPUT_FILE_PATH": str(file), "STORAGE_OBJECT_KEY": "inputs/a b.json"}
    assert take_request(None, None, environ) == Request((Item(file.name, file, "inputs/a b.json"),))
    # As of dCache, whose key it does not tell.
    environ = {"INPUT_FILE_PATH": str(file), "EVENT": "{}"}
    assert take_request(None, None, environ) == Request((Item(file.name, file, file.name),))
    with pytest.raises(ConfigurationError, match="INPUT_FILE_PATH: there is no file"):
        take_request(None, None, {"INPUT_FILE_PATH": str(tmp_path / "none")})


@pytest.mark.parametrize("name", [BODY, "api_event_file"])
def test_the_supervisor_gives_a_call_in_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text('{"n": 1}')
    environ = {"INPUT_FILE_PATH": str(file), "CONT_VAR_k": "v"}
    assert take_request(None, None, environ) == Request(call=Call({"n": 1}, query={"k": "v"}))


def test_a_call_may_come_as_an_event_or_in_the_environment() -> None:
    found = Request(call=Call({"n": 1}))
    assert take_request(None, b'{"n": 1}', {"EVENT": "{}"}) == found
    assert take_request(None, None, {"EVENT": '{"n": 1}'}) == found


def test_an_event_alone_does_not_hold_its_object() -> None:
    with pytest.raises(InvalidInput, match=r"names 'inputs/p1\.json', and its content is not here"):
        take_request(None, event(samples.MINIO), {})


def test_a_file_is_called_as_it_is_or_as_the_event_says(tmp_path: Path) -> None:
    file = tmp_path / "some.tmp"
    file.touch()
    assert take_request(file, None, {}) == Request((Item("some.tmp", file, "some.tmp"),))
    found = take_request(file, event(samples.MINIO), {})
    assert found == Request((Item("p1.json", file, "inputs/p1.json"),))
    two = {"Records": samples.MINIO["Records"] * 2}
    with pytest.raises(ConfigurationError, match="names 2 objects; give the folder"):
        take_request(file, event(two), {})
    with pytest.raises(ConfigurationError, match="there is no file"):
        take_request(tmp_path / "none", None, {})
    with pytest.raises(ConfigurationError, match="leave --input out"):
        take_request(file, b"{}", {})


def test_a_folder_is_its_files_in_order_without_links_and_what_is_hidden(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for name in ("b.json", "a.png", "more/c.json", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert names(take_request(tmp_path, None, {})) == ["a.png", "b.json", "more/c.json"]


def test_an_empty_folder_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    # Neither a file nor a folder.
    (tmp_path / "empty" / "null").symlink_to("/dev/null")
    with pytest.raises(InvalidInput, match="'empty' holds no object"):
        take_request(tmp_path / "empty", None, {})


def test_the_objects_of_an_event_are_found_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "demo" / "inputs").mkdir(parents=True)
    file = tmp_path / "demo" / "inputs" / "p1.json"
    file.touch()
    found = take_request(tmp_path, event(samples.MINIO), {})
    assert found == Request((Item("p1.json", file, "inputs/p1.json"),))
    found = take_request(tmp_path / "demo", event(samples.MINIO), {})
    assert found == Request((Item("p1.json", file, "inputs/p1.json"),))
    found = take_request(file.parent, event(samples.MINIO), {})
    assert found == Request((Item("p1.json", file, "inputs/p1.json"),))
    with pytest.raises(InvalidInput, match="'dataset_name' is not in the folder"):
        take_request(tmp_path, event(samples.RUCIO), {})


@pytest.mark.parametrize(
    ("bucket", "key"),
    [("..", "secret"), ("/etc", "passwd"), ("demo", "link"), ("\0", "secret"), ("", "k" * 300)],
)
def test_an_event_names_nothing_outside_of_the_folder(
    tmp_path: Path, bucket: str, key: str
) -> None:
    folder = tmp_path / "bucket"
    (folder / "demo").mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.touch()
    (folder / "demo" / "link").symlink_to(secret)
    record = {"eventSource": "aws:s3", "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}
    with pytest.raises(InvalidInput, match="is not in the folder 'bucket'"):
        take_request(folder, event({"Records": [record]}), {})


def test_objects_of_one_name_keep_their_keys(tmp_path: Path) -> None:
    records = []
    for key in ("a/x.json", "b/x.json"):
        (tmp_path / key).parent.mkdir()
        (tmp_path / key).touch()
        s3 = {"bucket": {"name": "demo"}, "object": {"key": key}}
        records.append({"eventSource": "aws:s3", "s3": s3})
    found = take_request(tmp_path, event({"Records": records}), {})
    assert names(found) == ["a/x.json", "b/x.json"]


def test_a_data_set_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "username" / "dataset_name").mkdir(parents=True)
    (tmp_path / "username" / "dataset_name" / "one.json").touch()
    assert names(take_request(tmp_path, event(samples.RUCIO), {})) == ["one.json"]


def test_what_is_no_file_is_no_object(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.json").touch()
    assert names(take_request(tmp_path, None, {})) == ["a.json"]
