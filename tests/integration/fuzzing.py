# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the fuzzer must know beside the documents; it imports this itself, by SCHEMATHESIS_HOOKS."""

import json
import os
import re
import uuid
from typing import Any

import schemathesis
from hypothesis import strategies as st

#: A key that is accepted.
KEY = "[!-~]([ -~]{0,253}[!-~])?"
#: Model to the ids of jobs that have ended, which the test made before.
ENDED: dict[str, list[str]] = json.loads(os.environ["FUZZING_ENDED_JOBS"])
_ID = re.compile("[0-9a-f]{32}")

# Formats that JSON Schema has no name for, or a wider one.
schemathesis.openapi.format(
    "url", st.sampled_from(["http://a.org", "https://b.example.com/c?d=e", "ftp://f.org/g"])
)
schemathesis.openapi.format("ip", st.one_of(st.ip_addresses().map(str)))


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Take away what Swagger 2.0 cannot say is no limit: choices that are only documented."""
    for path in raw_schema["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                if "x-extensible-enum" in parameter:
                    parameter.pop("enum", None)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Send no key twice, and read of a job that there is, every other time.

    A key that comes again with another input is refused, as it must be. Where an answer has led
    the fuzzer to a job, it keeps to that one.
    """
    path = case.path_parameters or {}
    model = case.operation.path.removeprefix("/v2/models/").partition("/")[0]
    names = {"job", "uuid"} & path.keys()
    follows = case.meta is not None and case.meta.phase.name == "stateful"
    if case.method == "GET" and names and ENDED.get(model) and not follows:
        name = names.pop()
        choice = int(str(path[name]), 16) if _ID.fullmatch(str(path[name])) else 1
        if choice % 2 == 0:
            path[name] = ENDED[model][choice // 2 % len(ENDED[model])]
    if re.fullmatch(KEY, str((case.headers or {}).get("Idempotency-Key", "")), re.ASCII):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
