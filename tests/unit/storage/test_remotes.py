# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Remotes are read as rclone reads them, and nothing that is secret is told."""

from pathlib import Path

import pytest

from deepaas.errors import ConfigurationError
from deepaas.storage.obscure import obscure
from deepaas.storage.remotes import Location, Remote, parse_location, read_remote

SECRET = "s e:c%rét"
VARIABLES = {
    "RCLONE_CONFIG_RSHARE_TYPE": "webdav",
    "RCLONE_CONFIG_RSHARE_URL": "https://share.example.org/remote.php/webdav/",
    "RCLONE_CONFIG_RSHARE_USER": "ada",
}


def read(tmp_path: Path, name: str = "rshare", **changes: str) -> Remote:
    """Read a remote of the variables; there is no file."""
    environ = {"RCLONE_CONFIG": str(tmp_path / "rclone.conf"), **VARIABLES}
    return read_remote(name, environ | {f"RCLONE_CONFIG_RSHARE_{k}": v for k, v in changes.items()})


def refused(tmp_path: Path, **changes: str) -> str:
    """Return why a remote is refused; no secret is in it."""
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, **changes)
    assert SECRET not in caught.value.message
    return caught.value.message


def test_the_name_says_how_a_password_is_written(tmp_path: Path) -> None:
    obscured = obscure(SECRET)
    (tmp_path / "obscured").write_text(f"{obscured}\n")
    (tmp_path / "plain").write_text(f"{SECRET}\n")
    assert read(tmp_path).password is None
    for given in (
        {"PASS": obscured},
        {"PASS_PLAIN": SECRET},
        {"PASS_FILE": str(tmp_path / "obscured")},
        {"PASS_PLAIN_FILE": str(tmp_path / "plain")},
    ):
        remote = read(tmp_path, **given)
        assert remote.password == SECRET
        assert SECRET not in repr(remote)
    # It looks like an obscured one, and is not taken for it.
    assert read(tmp_path, PASS_PLAIN=obscured).password == obscured


def test_a_password_that_cannot_be_revealed_names_variable_and_remedy(tmp_path: Path) -> None:
    message = refused(tmp_path, PASS=SECRET)
    assert "RCLONE_CONFIG_RSHARE_PASS cannot be revealed" in message
    assert "`rclone obscure`" in message
    assert "RCLONE_CONFIG_RSHARE_PASS_PLAIN" in message


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"PASS": obscure("a"), "PASS_PLAIN": SECRET}, "are both set"),
        ({"PASS_PLAIN": SECRET, "PASS_PLAIN_FILE": "/dev/null"}, "are both set"),
        ({"PASS_FILE": "/dev/null"}, "_PASS_FILE is '/dev/null', which is empty"),
        ({"PASS_FILE": "/nowhere"}, "_PASS_FILE is '/nowhere': No such file"),
        ({"URL": f"https://ada:{SECRET}@example.org/"}, "_URL holds a user or a password"),
        ({"URL": "https://[example.org/"}, "_URL is no address"),
        ({"TYPE": ""}, "there is no remote 'rshare': set RCLONE_CONFIG_RSHARE_TYPE"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, given: dict[str, str], said: str) -> None:
    assert said in refused(tmp_path, **given)


def test_a_secret_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff")
    assert "is no text" in refused(tmp_path, PASS_FILE=str(tmp_path / "bytes"))


def test_variables_win_over_the_file_and_empty_ones_do_not(tmp_path: Path) -> None:
    file = tmp_path / "rclone.conf"
    file.write_text(f"[rshare]\ntype = webdav\nurl = https://of.file/\npass = {obscure('old')}\n")
    remote = read(tmp_path, URL="", USER="bob", PASS_PLAIN=SECRET)
    assert remote.options == {"url": "https://of.file/", "user": "bob"}
    assert remote.password == SECRET
    assert read(tmp_path, PASS=obscure("new")).password == "new"
    file.write_text("[RShare]\ntype = webdav\npass = plain\n")
    assert f"{file}: 'pass' of [RShare] cannot be revealed" in refused(tmp_path)


def test_a_remote_has_any_name_that_rclone_takes(tmp_path: Path) -> None:
    (tmp_path / "rclone.conf").write_text("[my share-2]\ntype = s3\n")
    assert read(tmp_path, "my share-2").type == "s3"
    with pytest.raises(ConfigurationError, match="there are my share-2, rshare"):
        read(tmp_path, "other")


def test_the_file_is_where_rclone_keeps_it(tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "rclone"
    folder.mkdir(parents=True)
    (folder / "rclone.conf").write_text("[a]\ntype = local\n")
    assert read_remote("a", {"HOME": str(tmp_path)}).type == "local"
    assert read_remote("a", {"XDG_CONFIG_HOME": str(tmp_path / ".config")}).type == "local"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"[a]\n{SECRET}\n", "not written as rclone does"),
        (f"pass = {SECRET}\n", "not written as rclone does"),
        ("# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nabc\n", "is encrypted"),
    ],
)
def test_a_file_that_cannot_be_read_matters_only_where_it_is_needed(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "rclone.conf").write_text(text)
    assert said in refused(tmp_path, TYPE="")
    assert read(tmp_path).type == "webdav"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "rclone.conf").mkdir()
    assert "cannot be read: Is a directory" in refused(tmp_path, TYPE="")


def test_a_location_is_a_remote_and_a_path() -> None:
    assert parse_location("rshare:") == Location("rshare", "")
    assert parse_location("rshare:/a//b c:d/") == Location("rshare", "a/b c:d")


@pytest.mark.parametrize("text", ["", "rshare", ":path", "/a/b", "a:../b", "a:b/../../c", "a:./b"])
def test_what_is_no_location_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"REMOTE:PATH|no path of a remote"):
        parse_location(text)


def test_a_remote_says_what_it_lacks_and_what_it_is(tmp_path: Path) -> None:
    remote = read(tmp_path)
    assert remote.label == f"rshare (webdav at {VARIABLES['RCLONE_CONFIG_RSHARE_URL']} as 'ada')"
    assert Remote("a", "local", {}).label == "a (local)"
    with pytest.raises(ConfigurationError, match="set RCLONE_CONFIG_RSHARE_VENDOR"):
        remote.required("vendor")
