# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Images are read from a registry that speaks the protocol; credentials go nowhere else."""

import base64
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from deepaas.errors import ConfigurationError, RequestFailed
from deepaas.images import check_image, http
from deepaas.images.http import ask, is_loopback
from deepaas.images.registry import SIGN_IN_VARIABLE, _placed, fetch_config
from tests.unit.images.stand import (
    CONFIG,
    Image,
    Reply,
    Request,
    as_json,
    digest_of,
    image_of,
    serving,
)

IMAGE = image_of()


def registry(image: Image, request: Request) -> Reply:
    """Answer as a registry that everybody may read."""
    last = request.path.rpartition("/")[2]
    if request.path == "/v2/group/leaves/manifests/1.0":
        return Reply(body=image.index)
    if request.path.startswith("/v2/group/leaves/") and last in image.parts:
        is_manifest = b'"config"' in image.parts[last] and b'"os"' not in image.parts[last]
        if is_manifest == ("/manifests/" in request.path):
            return Reply(body=image.parts[last])
    return Reply(404, as_json({"errors": [{"code": "X", "message": "manifest unknown"}]}))


def test_the_configuration_for_our_platform_is_fetched() -> None:
    with serving(lambda request: registry(IMAGE, request)) as stand:
        assert fetch_config(f"{stand.host}/group/leaves:1.0") == CONFIG
        assert all(each.is_good for each in check_image(f"{stand.host}/group/leaves:1.0"))
        assert "oci.image.index" in stand.asked[0].headers["accept"]


def test_a_digest_in_the_reference_is_kept() -> None:
    image = Image({**IMAGE.parts, digest_of(IMAGE.index): IMAGE.index}, b"", "", "")

    def answer(request: Request) -> Reply:
        last = request.path.rpartition("/")[2]
        return Reply(body=image.parts.get(last, b"{}"))

    with serving(answer) as stand:
        name = f"{stand.host}/group/leaves"
        assert fetch_config(f"{name}@{digest_of(IMAGE.index)}") == CONFIG
        with pytest.raises(ConfigurationError, match="is not sha256:00"):
            fetch_config(f"{name}@sha256:{'0' * 64}")


def test_a_changed_part_is_refused() -> None:
    image = Image({**IMAGE.parts, IMAGE.config: b"{}"}, IMAGE.index, "", "")
    with (
        serving(lambda request: registry(image, request)) as stand,
        pytest.raises(ConfigurationError, match="is not sha256:"),
    ):
        fetch_config(f"{stand.host}/group/leaves:1.0")


def signing(realm: Callable[[], str], body: bytes) -> Callable[[Request], Reply]:
    """Answer as a registry that wants a token, and gives it."""

    def answer(request: Request) -> Reply:
        if request.path.startswith("/token?"):
            return Reply(body=body)
        if request.headers.get("authorization") != "Bearer t0k3n":
            challenge = f'Bearer realm="{realm()}",service="registry",scope="x"'
            return Reply(401, headers={"WWW-Authenticate": challenge})
        return registry(IMAGE, request)

    return answer


@pytest.mark.parametrize("name", ["token", "access_token"])
@pytest.mark.parametrize("own", [None, "ada:s3cr3t"])
def test_a_token_is_asked_for(name: str, own: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if own:
        monkeypatch.setenv(SIGN_IN_VARIABLE, own)
    with ExitStack() as stack:
        place: list[str] = []
        stand = stack.enter_context(serving(signing(lambda: place[0], as_json({name: "t0k3n"}))))
        place.append(f"{stand.url}/token")
        assert fetch_config(f"{stand.host}/group/leaves:1.0") == CONFIG
    [asked] = [each for each in stand.asked if each.path.startswith("/token")]
    assert asked.path == "/token?scope=repository%3Agroup%2Fleaves%3Apull&service=registry"
    wanted = f"Basic {base64.b64encode(own.encode()).decode()}" if own else None
    assert asked.headers.get("authorization") == wanted


def test_a_name_and_a_password_are_enough_where_no_token_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(request: Request) -> Reply:
        if "authorization" not in request.headers:
            return Reply(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        return registry(IMAGE, request)

    with serving(answer) as stand:
        reference = f"{stand.host}/group/leaves:1.0"
        with pytest.raises(RequestFailed, match=SIGN_IN_VARIABLE):
            fetch_config(reference)
        monkeypatch.setenv(SIGN_IN_VARIABLE, "ada:s3cr3t")
        assert fetch_config(reference) == CONFIG


def test_a_challenge_may_name_no_service() -> None:
    def answer(request: Request) -> Reply:
        if request.path.startswith("/token?"):
            return Reply(body=as_json({"token": "x"}))
        if "authorization" not in request.headers:
            challenge = f'Bearer realm="http://{request.headers["host"]}/token"'
            return Reply(401, headers={"WWW-Authenticate": challenge})
        return registry(IMAGE, request)

    with serving(answer) as stand:
        assert fetch_config(f"{stand.host}/group/leaves:1.0") == CONFIG
        assert stand.asked[1].path == "/token?scope=repository%3Agroup%2Fleaves%3Apull"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"3"])
def test_a_realm_that_gives_no_token_is_told(body: bytes) -> None:
    with ExitStack() as stack:
        place: list[str] = []
        stand = stack.enter_context(serving(signing(lambda: place[0], body)))
        place.append(f"{stand.url}/token?a=b")
        with pytest.raises(RequestFailed, match="gives no token"):
            fetch_config(f"{stand.host}/group/leaves:1.0")
    assert stand.asked[-1].path.startswith("/token?a=b&scope=")


def test_a_password_is_sent_nowhere_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGN_IN_VARIABLE, "ada:s3cr3t")
    with (
        serving(signing(lambda: "http://registry.example/token", b"")) as stand,
        pytest.raises(RequestFailed, match="unencrypted"),
    ):
        fetch_config(f"{stand.host}/group/leaves:1.0")


def test_redirects_carry_no_credentials_to_another_host() -> None:
    with ExitStack() as stack:
        other = stack.enter_context(serving(lambda _: Reply(body=b"there")))
        stand = stack.enter_context(
            serving(lambda _: Reply(307, headers={"Location": f"{other.url}/x"}))
        )
        headers = {"Authorization": "Bearer t0k3n", "Accept": "x/y"}
        assert ask(stand.url, headers=headers, follows=True).body == b"there"
        assert stand.asked[0].headers["authorization"] == "Bearer t0k3n"
        assert "authorization" not in other.asked[0].headers
        assert other.asked[0].headers["accept"] == "x/y"
        assert ask(stand.url, headers=headers).status == 307
        assert len(other.asked) == 1


def test_redirects_on_one_host_keep_them_and_end() -> None:
    def answer(request: Request) -> Reply:
        return (
            Reply(body=b"here")
            if request.path == "/end"
            else Reply(302, headers={"Location": "/end"})
        )

    with serving(answer) as stand:
        assert ask(stand.url, headers={"Authorization": "x"}, follows=True).body == b"here"
        assert stand.asked[-1].headers["authorization"] == "x"
    with serving(lambda _: Reply(302, headers={"Location": "/"})) as stand:
        with pytest.raises(RequestFailed, match="leads on and on"):
            ask(stand.url, follows=True)
        assert len(stand.asked) == 5
    with (
        serving(lambda _: Reply(302, headers={"Location": "file:///etc/passwd"})) as stand,
        pytest.raises(RequestFailed, match="not encrypted"),
    ):
        ask(stand.url, follows=True)


@pytest.mark.parametrize(
    "body", [as_json({"errors": [{"message": "no\x1b[31m such"}]}), b"", b"[" * 9_999]
)
def test_a_registry_that_refuses_is_told(body: bytes) -> None:
    with serving(lambda _: Reply(404, body)) as stand:
        with pytest.raises(RequestFailed) as caught:
            fetch_config(f"{stand.host}/group/leaves")
        assert stand.asked[0].path == "/v2/group/leaves/manifests/latest"
    assert " answers 404: " in caught.value.message
    assert "\x1b" not in caught.value.message


def test_what_does_not_answer_or_too_much_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: None) as stand, pytest.raises(RequestFailed, match="does not answer"):
        ask(stand.url)
    with pytest.raises(RequestFailed, match="Connection refused"):
        ask(stand.url)
    monkeypatch.setattr(http, "MAX_BYTES", 10)
    with (
        serving(lambda _: Reply(body=b"x" * 11)) as stand,
        pytest.raises(RequestFailed, match="more than 10 bytes"),
    ):
        ask(stand.url)


def test_a_proxy_is_not_asked_for_what_runs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with serving(lambda _: Reply(body=b"here")) as stand:
        assert ask(stand.url).body == b"here"


def test_what_is_elsewhere_is_asked_as_the_environment_says() -> None:
    # An address of this machine, though none of loopback's.
    with pytest.raises(RequestFailed, match="does not answer"):
        ask("http://0.0.0.0:1/")


def test_names_mean_places() -> None:
    assert _placed("leaves") == ("registry-1.docker.io", "library/leaves")
    assert _placed("ai4oshub/leaves") == ("registry-1.docker.io", "ai4oshub/leaves")
    assert _placed("docker.io/a/leaves") == ("registry-1.docker.io", "a/leaves")
    assert _placed("ghcr.io/a/b/leaves") == ("ghcr.io", "a/b/leaves")
    assert _placed("localhost/leaves") == ("localhost", "leaves")
    assert is_loopback("localhost")
    assert is_loopback("::1")
    assert not is_loopback("registry.example")
    assert not is_loopback("10.0.0.1")
