# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Who is trusted to issue tokens is said without ambiguity, or refused with the reason."""

from pathlib import Path

import pytest

from deepaas.config import load_settings
from deepaas.config.oidc import OidcSettings, UserinfoUse, is_loopback
from deepaas.errors import ConfigurationError

A, B = "https://a.example", "https://b.example/realms/b"
BOTH = f"--auth-issuer={A},{B}"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)


def load(*argv: str) -> OidcSettings:
    return load_settings(argv).oidc


def test_nobody_is_trusted_unless_named() -> None:
    assert load() == OidcSettings()


def test_everything_together() -> None:
    assert load(
        f"--auth-issuer= {A}/ , {B}",
        "--auth-audience=x, y",
        "--auth-clock-skew=5",
        "--auth-userinfo=never",
        "--auth-client-id= ,c",
        "--auth-client-secret= ,s",
        "--auth-issuer-hosts=WWW.a.example:443,[::1]:8443",
        "--auth-ca-file=/ca.pem",
    ) == OidcSettings(
        issuers=(A, B),
        audiences=("x", "y"),
        clock_skew_s=5.0,
        userinfo=UserinfoUse.NEVER,
        client_ids=("", "c"),
        client_secrets=("", "s"),
        issuer_hosts=("www.a.example", "[::1]:8443"),
        ca_file=Path("/ca.pem"),
    )


def test_a_secret_is_never_shown() -> None:
    settings = load_settings([f"--auth-issuer={A}", "--auth-client-secret=s3cret,more"])
    assert settings.oidc.client_secrets == ("s3cret,more",)
    assert "s3cret" not in repr(settings)


def test_the_environment_may_name_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/bundle.pem")
    assert load().ca_file == Path("/bundle.pem")
    assert load("--auth-ca-file=/ca.pem").ca_file == Path("/ca.pem")


@pytest.mark.parametrize(
    "url",
    ["https://a.example:8443/x", "http://localhost:8080", "http://127.0.0.1", "http://[::1]:1/x"],
)
def test_an_issuer(url: str) -> None:
    assert load(f"--auth-issuer={url}").issuers == (url,)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://a.example", "can be changed on its way"),
        ("http://10.0.0.1", "can be changed on its way"),
        ("ftp://a.example", "can be changed on its way"),
        ("a.example", "must be the https address"),
        ("https://", "must be the https address"),
        ("https://a.example:0", "must be the https address"),
        ("https://a.example:port", "must be the https address"),
        ("https://[a", "must be the https address"),
        ("https://a.example?x", "without anything behind its path"),
        ("https://a.example#x", "without anything behind its path"),
        ("https://a.exa mple", "without anything behind its path"),
        ("https://ä.example", "without anything behind its path"),
    ],
)
def test_what_is_no_issuer(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as told:
        load(f"--auth-issuer={url}")
    assert f"auth-issuer is {url!r}" in told.value.message


def test_a_password_in_an_issuer_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError, match="auth-issuer holds a name") as told:
        load("--auth-issuer=https://me:s3cret@a.example")
    assert "s3cret" not in told.value.message


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        ([f"--auth-issuer={A},{A}/"], "names one twice"),
        ([BOTH, "--auth-client-id=c"], "auth-client-id has 1 entries and auth-issuer 2"),
        ([BOTH, "--auth-client-secret=s"], "auth-client-secret has 1 entries"),
        (
            [f"--auth-issuer={A}", "--auth-client-secret=s", "--auth-client-secret-file=/f"],
            "both given; choose one",
        ),
        (
            [f"--auth-issuer={A}", "--auth-audience=x", "--auth-opaque-userinfo"],
            "cannot be used with auth-audience",
        ),
        (["--auth-issuer-hosts=https://a.example"], "must be a name of a host"),
        (["--auth-issuer-hosts=a/b"], "must be a name of a host"),
        (["--auth-clock-skew=nan"], "must be a number of seconds"),
        (["--auth-clock-skew=601"], "auth_clock_skew"),
        (["--auth-userinfo=often"], "auth_userinfo"),
    ],
)
def test_what_contradicts_itself_is_refused(argv: list[str], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        load(*argv)


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("localhost", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("a.example", False),
        ("8.8.8.8", False),
    ],
)
def test_what_is_this_machine(host: str, is_one: bool) -> None:
    assert is_loopback(host) is is_one
