# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The platform's acceptance check of a running service, and a prediction on top of it."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from deepaas.config.client import ClientSettings
from deepaas.errors import ConfigurationError, RequestFailed
from deepaas.images.calling import Call, MadeFile, make_call, parse_json
from deepaas.images.http import Answer, ask
from deepaas.images.limits import ended_after
from deepaas.images.verdicts import Verdict, bad, good, shown

#: What a description must have; a field may go on behind such a word: ``author-email``.
_DESCRIBED: Final = ("id", "name", "author", "license")
#: The module of DEEPaaS itself, which answers where none of the image's own is found.
_PLACEHOLDER: Final = "deepaas-test"
_LISTS: Final = ("/v2/models/", "/models/")
_PAUSE_S: Final = 1.0
#: Patterns of an honest service take milliseconds.
_MATCHING_S: Final = 10


@dataclass(frozen=True)
class Asked:
    """What is to be checked, and how patiently."""

    settings: ClientSettings
    #: How often the service is asked, a second apart, before it is given up.
    tries: int = 30
    #: Model to call; ``None``: all of them.
    model: str | None = None
    #: Values for arguments, by name.
    inputs: Mapping[str, str | MadeFile] = field(default_factory=dict)
    #: For each answer.
    timeout_s: float = 60


def check_service(asked: Asked, pause: Callable[[float], None] = time.sleep) -> list[Verdict]:
    """Check a service; it blocks.

    Args:
        asked: Where it is, and what is wanted.
        pause: Waits so many seconds.

    Returns:
        A verdict on each thing that could be looked at.
    """
    try:
        where, answer = _first_answer(asked, pause)
    except RequestFailed as exc:
        return [bad("answers", exc.message)]
    verdicts = [good("answers", f"{where} is there")]
    models = _models(answer)
    if not models:
        return [*verdicts, bad("models", f"{where} lists no model; is one installed in the image?")]
    try:
        document = _document(asked)
    except (RequestFailed, ValueError) as exc:
        return [*verdicts, bad("interface", f"/swagger.json cannot be read: {exc}")]
    for model in models:
        name = _name(model)
        if asked.model in (None, name):
            verdicts.append(_described(name, model))
            verdicts.append(_predicts(asked, name, document))
    if asked.model is not None and len(verdicts) == 1:
        names = shown(", ".join(map(_name, models)))
        verdicts.append(bad("models", f"there is no {asked.model!r} among them: {names}"))
    return verdicts


def _first_answer(asked: Asked, pause: Callable[[float], None]) -> tuple[str, Answer]:
    failure: RequestFailed | None = None
    for number in range(asked.tries):
        if number:
            pause(_PAUSE_S)
        for path in _LISTS:
            try:
                answer = _get(asked, path)
            except RequestFailed as exc:
                failure = exc
                break
            if answer.status == 200:
                return path, answer
            if answer.status in (401, 403):
                raise RequestFailed(
                    f"{asked.settings.url}{path} answers {answer.status}; sign in with the variable"
                    " DEEPAAS_TOKEN or with --token-file.",
                    status=answer.status,
                )
            failure = RequestFailed(
                f"{asked.settings.url}{path} answers {answer.status}; no DEEPaaS is there.",
                status=answer.status,
            )
    assert failure is not None
    raise RequestFailed(f"{failure.message.rstrip('.')}, after {asked.tries} tries.")


def _get(asked: Asked, path: str) -> Answer:
    # Nothing is followed: the token is for the address that was named.
    return ask(f"{asked.settings.url}{path}", headers=_headers(asked), timeout_s=asked.timeout_s)


def _headers(asked: Asked) -> dict[str, str]:
    token = asked.settings.token
    return {"Authorization": f"Bearer {token}"} if token else {}


def _models(answer: Answer) -> list[Mapping[str, Any]]:
    try:
        document = parse_json(answer.body)
    except ValueError:
        return []
    models = document.get("models") if isinstance(document, dict) else None
    return [each for each in models if isinstance(each, dict)] if isinstance(models, list) else []


def _name(model: Mapping[str, Any]) -> str:
    """Return the name in addresses: that of the link, else the id."""
    links = model.get("links")
    for each in links if isinstance(links, list) else ():
        href = each.get("href") if isinstance(each, dict) else None
        if isinstance(href, str) and href.strip("/"):
            return href.rstrip("/").rpartition("/")[2]
    return str(model.get("id") or model.get("name") or "")


def _described(name: str, model: Mapping[str, Any]) -> Verdict:
    check = shown(f"{name}: description")
    if _PLACEHOLDER in (name, model.get("id"), model.get("name")):
        return bad(check, f"{_PLACEHOLDER} answers, so that no model of the image was found")
    missing = [
        word
        for word in _DESCRIBED
        if not any(key.lower().startswith(word) and value for key, value in model.items())
    ]
    if missing:
        return bad(check, f"get_metadata() gives no {' and no '.join(missing)}")
    return good(check, ", ".join(_DESCRIBED))


def _document(asked: Asked) -> Mapping[str, Any]:
    """Return the description of the interface; empty where there is none."""
    answer = _get(asked, "/swagger.json")
    document = parse_json(answer.body) if answer.status == 200 else {}
    return document if isinstance(document, dict) else {}


def _predicts(asked: Asked, name: str, document: Mapping[str, Any]) -> Verdict:
    check = shown(f"{name}: prediction")
    path = f"/v2/models/{quote(name, safe='%')}/predict/"
    operation = _operation(document, path)
    if operation is None:
        return bad(check, f"/swagger.json describes no {shown(path)}")
    said = operation.get("parameters")
    parameters = [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []
    try:
        with ended_after(_MATCHING_S, "Matching the patterns of its arguments"):
            call = make_call(path, parameters, asked.inputs)
        answer = ask(
            f"{asked.settings.url}{call.path}",
            headers={**call.headers, **_headers(asked)},
            body=call.body,
            timeout_s=asked.timeout_s,
        )
    except (ConfigurationError, RequestFailed) as exc:
        return bad(check, exc.message)
    if answer.status != 200:
        return bad(check, _refusal(call, answer))
    try:
        with ended_after(_MATCHING_S, "Comparing the answer with its schema"):
            faults = list(_misfits(answer, operation, document))
    except RequestFailed as exc:
        return bad(check, exc.message)
    if faults:
        return bad(check, f"the answer is not as declared: {shown('; '.join(faults[:3]))}")
    kind = answer.media_type or "no media type"
    return good(check, f"{len(answer.body)} bytes of {shown(kind)}{_made_up(call)}")


def _operation(document: Mapping[str, Any], path: str) -> Mapping[str, Any] | None:
    paths = document.get("paths")
    for each, item in paths.items() if isinstance(paths, dict) else ():
        # A service behind a base path may say so in its description.
        if str(each).rstrip("/").endswith(path.rstrip("/")) and isinstance(item, dict):
            found = item.get("post")
            return found if isinstance(found, dict) else None
    return None


def _refusal(call: Call, answer: Answer) -> str:
    said = shown(answer.body.decode("utf-8", "replace"))
    if 400 <= answer.status < 500 and call.made_up:
        names = ", ".join(call.made_up)
        return (
            f"{answer.status} {said} (made up: {shown(names)}; give what the model takes with"
            " --input NAME=VALUE or --input NAME=@FILE)"
        )
    return f"{answer.status} {said}"


def _made_up(call: Call) -> str:
    return f"; made up: {shown(', '.join(call.made_up))}" if call.made_up else ""


def _misfits(
    answer: Answer, operation: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[str]:
    """Yield where an answer is not what the description says of it."""
    from jsonschema import Draft4Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    if answer.media_type != "application/json":
        if not answer.body:
            yield "it is empty"
        return
    try:
        value = parse_json(answer.body)
    except ValueError as exc:
        yield f"it is no JSON ({exc})"
        return
    responses = operation.get("responses")
    declared = responses.get("200") if isinstance(responses, dict) else None
    schema = declared.get("schema") if isinstance(declared, dict) else None
    if not isinstance(schema, dict):
        return
    try:
        # Swagger 2.0 builds on this draft.
        whole = {**schema, "definitions": document.get("definitions", {})}
        Draft4Validator.check_schema(whole)
        # A registry of our own: what a service names in its schema is fetched from nowhere.
        for error in Draft4Validator(whole, registry=Registry()).iter_errors(value):
            yield f"{'.'.join(map(str, error.absolute_path)) or 'it'}: {error.message}"
    except (SchemaError, Unresolvable, RecursionError) as exc:
        yield f"its schema cannot be used ({exc})"
