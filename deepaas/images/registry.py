# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Read an image's configuration from a registry.

OCI distribution specification 1.1, and the token flow of its reference implementation
(https://distribution.github.io/distribution/spec/auth/token/), without a name or with one.
"""

import base64
import json
import os
import re
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from deepaas.errors import RequestFailed
from deepaas.images.http import Answer, ask, is_loopback
from deepaas.images.stored import read_config, require_digest
from deepaas.images.verdicts import shown
from deepaas.project import parse_image

#: Name and password for a registry, for images that are not public: ``name:password``.
SIGN_IN_VARIABLE: Final = "DEEPAAS_REGISTRY_AUTH"
_HUB: Final = "registry-1.docker.io"
_MANIFESTS: Final = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')
_NOT_SIGNED_IN: Final = 401


def fetch_config(reference: str) -> dict[str, Any]:
    """Return the configuration of an image in a registry, for linux/amd64; it blocks.

    Raises:
        ConfigurationError: It is no reference of an image, or what comes is no image.
        RequestFailed: The registry does not give it.
    """
    name, tag = parse_image(reference)
    registry = _Registry(*_placed(name))
    tag = tag or "latest"
    head = registry.read(tag, is_manifest=True)
    return read_config(registry, require_digest(head, tag) if ":" in tag else head)


def _placed(name: str) -> tuple[str, str]:
    """Return the registry's host and the repository that a name means."""
    host, _, path = name.partition("/")
    if path and ("." in host or ":" in host or host == "localhost"):
        return (_HUB, path) if host in ("docker.io", "index.docker.io") else (host, path)
    return _HUB, name if path else f"library/{name}"


class _Registry:
    """One repository of a registry; signs in where it is told to."""

    def __init__(self, host: str, repository: str) -> None:
        # Only what never leaves this machine goes in the clear.
        is_here = is_loopback(urlsplit(f"//{host}").hostname or "")
        self._base = f"{'http' if is_here else 'https'}://{host}/v2/{repository}"
        self._host = host
        self._repository = repository
        self._authorization: str | None = None

    def read(self, digest: str, *, is_manifest: bool) -> bytes:
        """Return a manifest by its tag or digest, or a blob by its digest."""
        url = f"{self._base}/{'manifests' if is_manifest else 'blobs'}/{digest}"
        answer = self._get(url)
        if answer.status == _NOT_SIGNED_IN and self._authorization is None:
            self._authorization = self._sign_in(answer.headers.get("www-authenticate", ""))
            answer = self._get(url)
        if answer.status in (_NOT_SIGNED_IN, 403):
            raise RequestFailed(
                f"{self._host} does not show {self._repository}; does it exist? For an image that"
                f" is not public, name and password stand in {SIGN_IN_VARIABLE}, as name:password.",
                status=answer.status,
            )
        if answer.status != 200:
            raise RequestFailed(
                f"{url} answers {answer.status}: {shown(_detail(answer))}", status=answer.status
            )
        return answer.body

    def _get(self, url: str) -> Answer:
        headers = {"Accept": f"{_MANIFESTS}, */*"}
        if self._authorization is not None:
            headers["Authorization"] = self._authorization
        return ask(url, headers=headers, follows=True)

    def _sign_in(self, challenge: str) -> str | None:
        """Return what signs in, as the registry asks for it; ``None`` where it cannot be had."""
        scheme, _, rest = challenge.partition(" ")
        own = os.environ.get(SIGN_IN_VARIABLE)
        basic = f"Basic {base64.b64encode(own.encode()).decode()}" if own else None
        if scheme.lower() != "bearer":
            return basic
        asked = dict(_PARAMETER.findall(rest))
        realm = asked.get("realm", "")
        parts = urlsplit(realm)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise RequestFailed(f"{self._host} gives tokens at {shown(realm)}, unencrypted.")
        query = {"scope": f"repository:{self._repository}:pull"}
        if "service" in asked:
            query["service"] = asked["service"]
        headers = {"Authorization": basic} if basic else {}
        answer = ask(f"{realm}{'&' if parts.query else '?'}{urlencode(query)}", headers=headers)
        try:
            document = json.loads(answer.body)
            return f"Bearer {document.get('token') or document['access_token']}"
        except (ValueError, LookupError, AttributeError, TypeError) as exc:
            raise RequestFailed(
                f"{shown(realm)} gives no token for {self._repository} ({answer.status}).",
                status=answer.status,
            ) from exc


def _detail(answer: Answer) -> str:
    try:
        return str(json.loads(answer.body)["errors"][0]["message"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return "it gives no reason"
