# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What an image says of itself, beside what the platform expects of images."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from deepaas.images.verdicts import Verdict, bad, good, shown
from deepaas.project import API_PORT, IDE_PORT, MONITOR_PORT

#: The arguments of predict and train as JSON, which `deepaas export docker` writes.
SCHEMA_LABEL: Final = "deepaas.arguments"
_SWITCH: Final = "DISABLE_AUTHENTICATION_AND_ASSUME_AUTHENTICATED_USER"
_SECRET: Final = re.compile(
    r"(?:.*(?:password|passwd|secret|token|api_?key|access_?key|private_?key)|RCLONE_CONFIG_\w+_PASS)",
    re.I,
)
_STARTS: Final = ("deepaas-run", "deep-start")


def check_config(document: Mapping[str, Any]) -> list[Verdict]:
    """Judge the configuration of an image.

    Args:
        document: Of the OCI image specification, or Docker's, which is the same but for the health
            check.
    """
    found = document.get("config")
    config = found if isinstance(found, dict) else {}
    return [
        _platform(document),
        _ports(config),
        _user(config),
        _health(config),
        *_labels(config),
        *_environment(config),
        _command(config),
    ]


def _platform(document: Mapping[str, Any]) -> Verdict:
    said = f"{document.get('os')}/{document.get('architecture')}"
    if said == "linux/amd64":
        return good("platform", said)
    return bad("platform", f"it is for {shown(said)}; build it for linux/amd64")


def _ports(config: Mapping[str, Any]) -> Verdict:
    exposed = {str(each).partition("/")[0] for each in _mapping(config.get("ExposedPorts"))}
    wanted = [str(each) for each in (API_PORT, MONITOR_PORT, IDE_PORT)]
    missing = [each for each in wanted if each not in exposed]
    if missing:
        return bad("ports", f"EXPOSE {' '.join(missing)}, which the platform forwards to")
    return good("ports", " ".join(wanted))


def _user(config: Mapping[str, Any]) -> Verdict:
    user = str(config.get("User") or "")
    if user.partition(":")[0] in ("", "root", "0"):
        return bad("user", "it runs as root; end the Dockerfile with a USER of its own")
    return good("user", shown(user))


def _health(config: Mapping[str, Any]) -> Verdict:
    test = _mapping(config.get("Healthcheck")).get("Test")
    if isinstance(test, list) and test and test[0] != "NONE":
        return good("health", shown(" ".join(map(str, test))))
    return bad(
        "health",
        "there is no HEALTHCHECK; of buildah's formats only `--format docker` keeps one",
    )


def _labels(config: Mapping[str, Any]) -> Iterator[Verdict]:
    labels = _mapping(config.get("Labels"))
    text = labels.get(SCHEMA_LABEL)
    if text is None:
        yield bad("labels", f"there is no label {SCHEMA_LABEL}; `deepaas export docker` writes one")
        return
    try:
        is_schema = isinstance(json.loads(str(text)), dict)
    except (ValueError, RecursionError):
        is_schema = False
    if is_schema:
        yield good("labels", f"{SCHEMA_LABEL} describes the arguments")
    else:
        yield bad("labels", f"{SCHEMA_LABEL} is no JSON object; export it again")


def _environment(config: Mapping[str, Any]) -> Iterator[Verdict]:
    pairs = [each.partition("=")[::2] for each in _words(config.get("Env"))]
    # What ends in _FILE names a file, which is not in the image.
    secret = [name for name, value in pairs if value and _SECRET.fullmatch(name)]
    if secret:
        names = shown(", ".join(secret))
        yield bad("secrets", f"{names}: a value for all who have the image; give it at the start")
    else:
        yield good("secrets", "none in the environment")
    switch = dict(pairs).get(_SWITCH, "")
    if switch.lower() in ("yes", "true", "1", "on"):
        yield bad("sign-in", f"{_SWITCH} is on: everybody may use the service")
    else:
        yield good("sign-in", "not switched off")


def _command(config: Mapping[str, Any]) -> Verdict:
    words = [*_words(config.get("Entrypoint")), *_words(config.get("Cmd"))]
    line = shown(shlex.join(words))
    if any(start in word for word in words for start in _STARTS):
        return good("command", line)
    return bad("command", f"{line or 'nothing'} starts neither {' nor '.join(_STARTS)}")


def _words(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
