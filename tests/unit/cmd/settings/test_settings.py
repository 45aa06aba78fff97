# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas config`` shows what holds, names what is wrong, and shows no secret."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deepaas.auth.keys import make_key
from deepaas.cmd.main import main as deepaas
from deepaas.cmd.settings.findings import weakness
from deepaas.cmd.settings.main import main
from deepaas.config.dotenv import parse_variables

SECRET = "correct-horse-battery"
Said = pytest.CaptureFixture[str]
Check = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder, with no settings from elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in list(os.environ):
        if name.startswith(("DEEPAAS_", "OS_DEFAULT__", "A4C_", "RCLONE_", "jupyter")):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def check(folder: Path, capsys: Said) -> Check:
    """Return what checks a file of variables, private unless it is said, and gives the lines."""

    def run(text: str, *options: str, mode: int = 0o600, status: int = 1) -> list[str]:
        (folder / ".env").write_text(text)
        (folder / ".env").chmod(mode)
        capsys.readouterr()
        assert main(["check", "--env-file", ".env", *options]) == status
        said = capsys.readouterr()
        assert SECRET not in said.out + said.err
        return said.out.splitlines()

    return run


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_nothing_is_wrong_by_default(capsys: Said) -> None:
    assert deepaas(["config", "check"]) == 0
    assert capsys.readouterr().out == "The settings can be used.\n"


def test_good_settings(check: Check, folder: Path) -> None:
    _, record = make_key("me", ["predict"], None)
    private(folder / "keys", record.line)
    text = f"OS_DEFAULT__LISTEN_IP=0.0.0.0\nDEEPAAS_API_KEYS_FILE={folder}/keys\nTZ=UTC\n"
    assert check(text, status=0) == ["The settings can be used."]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "OS_DEFAULT__LISTN_PORT=1",
            "error: .env:1: OS_DEFAULT__LISTN_PORT sets nothing of DEEPaaS;"
            " is OS_DEFAULT__LISTEN_PORT meant?",
        ),
        ("DEEPAAS_ZZZZ=1", "error: .env:1: DEEPAAS_ZZZZ sets nothing of DEEPaaS."),
        ("DEEPAS_API_KEYS=", "warning: .env:1: DEEPAS_API_KEYS sets nothing of DEEPaaS; is"),
        ("OS_DEFAULT__USE_STDERR=1", "warning: .env:1: OS_DEFAULT__USE_STDERR has no meaning"),
        ("OS_DEFAULT__LISTEN_PORT=x", "error: settings: The environment variable OS_DEFAULT__LI"),
        ("DEEPAAS_API_KEYS=", "error: settings: DEEPAAS_API_KEYS is set and empty"),
        ("OS_DEFAULT__LISTEN_IP=0.0.0.0", "error: listen-ip: Nobody signs in, and 0.0.0.0 is"),
        ("OS_DEFAULT__ALLOW_READ=signed-in", "error: allow-read: Nobody can sign in"),
        ("OS_DEFAULT__AUTH_ISSUER=https://i.example.org", "warning: auth-audience: Tokens that"),
        ("jupyterPASSWORD=Admin", "error: .env:1: jupyterPASSWORD is a default that everybody"),
        ("jupyterPASSWORD=short", "error: .env:1: jupyterPASSWORD has 5 characters; take 8"),
        ("RCLONE_CONFIG_RSHARE_PASS=", "warning: .env:1: RCLONE_CONFIG_RSHARE_PASS is empty."),
        ("MY_TOKEN=aaaaaaaaaa", "error: .env:1: MY_TOKEN repeats one or two characters."),
        ("OS_DEFAULT__AUTH_CLIENT_SECRET=1234567890", "AUTH_CLIENT_SECRET counts up."),
        ("DB_PASSWORD_FILE=missing", "DB_PASSWORD_FILE names 'missing', which cannot be read: No"),
        ("DEEPAAS_API_KEYS=nonsense", "error: DEEPAAS_API_KEYS: DEEPAAS_API_KEYS, line 1"),
        ("DEEPAAS_API_KEYS='# none'", "error: DEEPAAS_API_KEYS: It has no key"),
        ("DEEPAAS_API_KEYS_FILE=missing", "error: auth-keys-file: auth-keys-file names '/"),
        ("OS_DEFAULT__AUTH_CLIENT_SECRET_FILE=missing", "auth-client-secret-file names '/"),
        ("OS_DEFAULT__TLS_CERT=missing", "error: tls-key: tls-key names '/"),
    ],
)
def test_what_is_wrong(check: Check, text: str, said: str) -> None:
    # A name that is only looked at may be wrong without the service failing.
    lines = check(text, status=1 if said.startswith("error") or said[0] != "w" else 0)
    assert any(said in line for line in lines), lines


def test_a_secret_and_its_file_are_one_too_many(check: Check, folder: Path) -> None:
    lines = check(f"A_PASSWORD={SECRET}\nA_PASSWORD_FILE=x\nB_TOKEN_FILE=\n")
    assert lines[0] == "error: .env:2: A_PASSWORD and A_PASSWORD_FILE are both given; choose one."
    assert len(lines) == 2


def test_files_of_secrets_are_looked_at(check: Check, folder: Path) -> None:
    file = private(folder / "password", SECRET)
    assert check(f"A_PASSWORD_FILE={file}", status=0) == ["The settings can be used."]
    file.chmod(0o644)
    assert (
        "everybody on this machine may read it: chmod o-r." in check(f"A_PASSWORD_FILE={file}")[0]
    )
    file.write_text(" \n")
    assert "which is empty." in check(f"A_PASSWORD_FILE={file}")[0]
    assert "cannot be read: " in check("A_PASSWORD_FILE=~nobody-has-this-name/x")[0]


def test_a_file_of_variables_with_secrets_is_private(check: Check) -> None:
    lines = check(f"A_PASSWORD={SECRET}", mode=0o644)
    assert lines[0].startswith("error: .env: '.env' has secrets")
    assert check("A=b", mode=0o644, status=0) == ["The settings can be used."]
    key, _ = make_key("me", [], None)
    lines = check(f"DEEPAAS_API_KEYS=me {key} expires=2020-01-01", mode=0o644, status=0)
    assert lines[:2] == [
        "warning: DEEPAAS_API_KEYS: The key of 'me' has expired.",
        "warning: .env: '.env' has keys, and everybody on this machine may read it: chmod o-r.",
    ]
    assert key not in "".join(lines)


def test_secrets_in_files_of_options(folder: Path, capsys: Said) -> None:
    file = private(folder / "d.conf", f"[DEFAULT]\nauth_client_secret = short,{SECRET}\n")
    file.write_text(
        f"[DEFAULT]\nauth_issuer = https://a.example.org,https://b.example.org\n"
        f"auth_client_id = a,b\nauth_client_secret = short,{SECRET}\n"
    )
    file.chmod(0o644)
    assert main(["check", "--", "--config-file", str(file)]) == 1
    out = capsys.readouterr().out
    assert f"error: {file}: auth_client_secret: auth-client-secret has 5 characters" in out
    assert f"'{file}' has a secret, and everybody on this machine may read it" in out
    assert SECRET not in out
    file.write_text(f"[DEFAULT]\nmine_passwrd = {SECRET}\n")
    assert main(["check", "--", "--config-file", str(file)]) == 1
    assert SECRET not in capsys.readouterr().out
    file.write_text(f"[DEFAULT]\nauth_client_secrt = {SECRET}\n")
    assert main(["check", "--", "--config-file", str(file)]) == 1
    out = capsys.readouterr().out
    assert "there is no option 'auth_client_secrt'; is 'auth_client_secret' meant?" in out
    assert SECRET not in out


def test_an_old_option_in_a_file_is_only_warned_of(folder: Path, capsys: Said) -> None:
    file = private(folder / "d.conf", "[DEFAULT]\nuse_stderr = true\n")
    assert main(["check", "--", "--config-file", str(file)]) == 0
    said = f"warning: settings: {file}: the option 'use_stderr' has no meaning any more."
    assert said in capsys.readouterr().out.splitlines()


def test_a_line_that_cannot_be_read_is_not_quoted(folder: Path, capsys: Said) -> None:
    (folder / "d.conf").write_text(f"[DEFAULT]\nauth_client_secret {SECRET}\n")
    assert main(["check", "--", "--config-file", "d.conf"]) == 1
    out = capsys.readouterr().out
    assert "d.conf, line 2: No ':' or '=' found in assignment" in out
    assert SECRET not in out


def test_a_secret_among_arguments_is_told(capsys: Said) -> None:
    argv = ["--auth-issuer=https://a.example.org", "--auth-client-id=a"]
    assert main(["check", "--", *argv, f"--auth-client-secret={SECRET}"]) == 1
    out = capsys.readouterr().out
    assert "error: --auth-client-secret: Everybody on this machine can read arguments" in out
    assert SECRET not in out


def test_the_environment_is_shared_and_only_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.setenv("OS_DEFAULT__SOMETHING", "x")
    monkeypatch.setenv("UNRELATED_PASSWORD", "x")
    monkeypatch.setenv("DEEPAAS_API_KEY", SECRET)
    assert main(["check"]) == 0
    out = capsys.readouterr().out
    assert "warning: the environment variable OS_DEFAULT__SOMETHING: " in out
    assert "is DEEPAAS_API_KEYS meant?" in out
    assert "UNRELATED" not in out


def test_what_holds_and_where_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    private(
        folder / ".env",
        f"OS_DEFAULT__LISTEN_PORT=5001\nOS_DEFAULT__WORKERS=2\nDEEPAAS_URL=http://me:{SECRET}@h\n"
        f"OS_DEFAULT__TLS_KEY=\nOS_DEFAULT__AUTH_CLIENT_SECRET={SECRET}\n"
        f"OS_DEFAULT__AUTH_ISSUER=https://i.example.org\nOS_DEFAULT__AUTH_CLIENT_ID='a\nb'\n",
    )
    (folder / "d.conf").write_text("[DEFAULT]\nmodel_name = digits\nworkers = 5\n")
    monkeypatch.setenv("OS_DEFAULT__LISTEN_PORT", "5002")
    before = dict(os.environ)
    asked = ["show", "--env-file", ".env"]
    assert main([*asked, "--", "--config-file", "d.conf", "--nowarm"]) == 0
    assert dict(os.environ) == before
    out = capsys.readouterr().out
    assert SECRET not in out
    lines = out.splitlines()
    assert "listen-port = 5002\t[the environment variable OS_DEFAULT__LISTEN_PORT]" in lines
    assert "workers = 2\t[.env:2]" in lines
    assert f"model-name = digits\t[{folder}/d.conf: model_name]" in lines
    assert "warm = False\t[--warm]" in lines
    assert "tls-key =\t[.env:4]" in lines
    assert "auth-client-secret = ****\t[.env:5]" in lines
    assert "auth-client-id = 'a\\nb'\t[.env:7]" in lines
    assert "DEEPAAS_URL = http://****@h\t[.env:3]" in lines
    assert any(line.startswith("base-path =\t[default]") for line in lines)
    assert main([*asked, "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["auth-client-secret"]["value"] == "****"
    assert rows["workers"] == {"name": "workers", "value": "2", "origin": ".env:2"}


def test_what_cannot_be_shown(folder: Path, capsys: Said) -> None:
    (folder / ".env").write_text("OS_DEFAULT__WORKERS=many\n")
    assert main(["show", "--env-file", ".env"]) == 1
    assert "OS_DEFAULT__WORKERS is 'many'" in capsys.readouterr().err
    assert main(["show", "--env-file", "missing"]) == 1
    assert "deepaas config: missing: No such file" in capsys.readouterr().err
    assert main(["check", "--schema", "alien4cloud", "--", "--warm"]) == 1
    assert "Alien4Cloud reads variables alone" in capsys.readouterr().err


def test_findings_are_data_too(capsys: Said) -> None:
    assert main(["check", "--json", "--", "--listen-ip=0.0.0.0"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert not said["is_good"]
    assert [(each["level"], each["place"]) for each in said["findings"]] == [("error", "listen-ip")]


ALIEN = f"""\
A4C_SPRING_OIDC_CLIENT_ID=id
A4C_SPRING_OIDC_CLIENT_SECRET={SECRET}
A4C_SPRING_OIDC_ROLES="'ADMIN','B C'"
A4C_ORCHESTRATOR_URL=https://o.example.org/orchestrator
A4C_ADMIN_PASSWORD={SECRET}
A4C_KEY_PASSWORD={SECRET}
A4C_KEY_STORE_PASSWORD={SECRET}
"""
FOR_ALIEN = ("--schema", "alien4cloud")


def test_the_variables_of_alien4cloud(check: Check, capsys: Said) -> None:
    assert check(ALIEN, *FOR_ALIEN, status=0) == ["The settings can be used."]
    assert main(["show", "--env-file", ".env", *FOR_ALIEN]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "A4C_ADMIN_PASSWORD = ****\t[.env:5]" in lines
    assert "A4C_PORT_HTTP = 8088\t[the image's default]" in lines
    assert "A4C_PEM_KEY_FILE = ca.key\t[the image's default]" in lines


def test_unknown_variables_of_alien4cloud_are_named_and_masked(
    check: Check, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A4C_OTHER", SECRET)
    # The image reads no files with secrets.
    lines = check(f"{ALIEN}A4C_ADMIN_PASSWRD={SECRET}\nA4C_KEY_PASSWORD_FILE=x", *FOR_ALIEN)
    assert lines == [
        "error: .env:8: A4C_ADMIN_PASSWRD sets nothing of Alien4Cloud;"
        " is A4C_ADMIN_PASSWORD meant?",
        "error: .env:9: A4C_KEY_PASSWORD_FILE sets nothing of Alien4Cloud;"
        " is A4C_KEY_PASSWORD meant?",
        "warning: the environment variable A4C_OTHER: A4C_OTHER sets nothing of Alien4Cloud.",
        "The settings need mending.",
    ]
    assert main(["show", "--env-file", ".env", *FOR_ALIEN]) == 0
    out = capsys.readouterr().out
    assert "A4C_ADMIN_PASSWRD = ****\t[.env:8]" in out
    assert SECRET not in out


@pytest.mark.parametrize("name", ["OS_DEFAULT__LISTEN_PORT", "OS_DEFAULT__TLS_CERT"])
def test_a_password_in_an_address_is_not_shown(check: Check, capsys: Said, name: str) -> None:
    # The fixture looks for it.
    assert "user:" not in check(f"{name}=xx://user:{SECRET}@host")[0]
    check(f"{name}=xx://user:{SECRET}@host", "--json")
    check(f"{ALIEN}A4C_X=1".replace("https://", f"ftp://user:{SECRET}@"), *FOR_ALIEN)
    check(f"{name}=xx://user:{SECRET}@host")
    assert main(["show", "--env-file", ".env"]) in (0, 1)
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("A4C_PORT_HTTP", "0", "it must be a port, 1 to 65535"),
        ("A4C_PORT_HTTPS", "²", "it must be a port"),
        ("A4C_ENABLE_SSL", "yes", "it must be true or false"),
        ("A4C_RUNTIME_DIR", "data", "it must be an absolute path"),
        ("A4C_ORCHESTRATOR_URL", "o.example.org", "it must be an address with http or https"),
        ("A4C_ORCHESTRATOR_URL", "http://[", "it must be an address with http or https"),
        ("A4C_SPRING_OIDC_ROLES", "ADMIN", "it must be roles in single quotes"),
        ("A4C_JAVA_XMX_MEMO", "much", "it must be a size as 4g"),
        ("A4C_USER", "", "A4C_USER is missing."),
        ("A4C_SPRING_OIDC_CLIENT_ID", "<none>", "A4C_SPRING_OIDC_CLIENT_ID is missing."),
        ("A4C_ADMIN_PASSWORD", "admin", "A4C_ADMIN_PASSWORD is a default that everybody knows"),
    ],
)
def test_wrong_variables_of_alien4cloud(check: Check, name: str, value: str, said: str) -> None:
    others = [line for line in ALIEN.splitlines() if not line.startswith(f"{name}=")]
    lines = check("\n".join([*others, f"{name}={value}"]), *FOR_ALIEN)
    assert len(lines) == 2, lines
    assert said in lines[0]


def test_the_defaults_of_the_image_are_weak(check: Check) -> None:
    lines = check("", *FOR_ALIEN)
    assert "error: .env: A4C_ORCHESTRATOR_URL is missing." in lines
    assert (
        "error: the image's default: A4C_ADMIN_PASSWORD is a default that everybody knows." in lines
    )
    assert not any(".env' has secrets" in line for line in check("", *FOR_ALIEN, mode=0o644))


@pytest.mark.parametrize("value", [SECRET, "tr0ub4dor&3", "\n\ta 'quoted' {{ one }}"])
def test_a_good_secret_is_not_complained_about(value: str) -> None:
    assert weakness(value) is None
    assert parse_variables(f'A="{value}"', "f")[0].value == value


@pytest.mark.parametrize("argv", [[], ["check", "--schema", "other"], ["che"], ["show", "x"]])
def test_wrong_usage(argv: list[str], capsys: Said) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "usage: deepaas config" in capsys.readouterr().err
