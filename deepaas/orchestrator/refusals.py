# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What an orchestrator says when it refuses, in one sentence with a remedy."""

import json
from typing import Any, Final

from deepaas.errors import RequestFailed

#: The longest text of a server that is repeated.
_MOST_SHOWN: Final = 2000
_REMEDIES: Final = {
    401: "The token is missing, wrong or has run out; take a new one.",
    403: "The token does not allow that; changes need one with the scope offline_access.",
    404: "`deepaas orchestrator list` shows the deployments that are there.",
}
_REDEPLOY: Final = "Use `deepaas orchestrator redeploy`, which deletes it and creates it anew."


def refusal(where: str, status: int, reason: str, body: bytes) -> RequestFailed:
    """Return the error of an answer that is none of success.

    Args:
        where: What was asked: method and address.
        status: The HTTP status.
        reason: Its name.
        body: In either of the shapes of the contract, or any other.
    """
    title, message = _said(body)
    parts = [f"{where}: {status} {title or reason}".rstrip(" .") + "."]
    parts += [f"{message[:_MOST_SHOWN].rstrip('. ')}."] if message else []
    if status == 400 and message.endswith("deployments cannot be updated."):
        parts.append(_REDEPLOY)
    elif status == 409 and "IN_PROGRESS" in message:
        parts.append("Wait until it has settled: `deepaas orchestrator wait UUID`.")
    elif status in _REMEDIES:
        parts.append(_REMEDIES[status])
    return RequestFailed(" ".join(parts), status=status)


def _said(body: bytes) -> tuple[str, str]:
    """Return title and message: of the orchestrator, or of Spring's OAuth 2."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(content, dict):
        return "", ""
    return _text(content, "title", "error"), _text(content, "message", "error_description")


def _text(content: dict[str, Any], *names: str) -> str:
    return next((found for name in names if isinstance(found := content.get(name), str)), "")
