# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a job runs: the model and the input, written into its directory before it is accepted.

The input is kept as the client sent it and parsed by the training's own process, so that the file
depends on no serialisation of Python objects and can be read years later.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from deepaas.execution.jobdir import JobDirectory
from deepaas.records import CallInput, ModelSource, SourceKind, UploadedFile

_BODY = "body.json"


@dataclass(frozen=True, slots=True)
class JobCall:
    """The content of ``call.json`` and ``inputs/``."""

    source: ModelSource
    input: CallInput
    #: Whether ``warm()`` runs before the function.
    warm: bool
    #: Of the request that began the job, and who made it; readable in the model.
    request_id: str = ""
    principal: str | None = None
    #: Of a prediction: as in :class:`~deepaas.execution.messages.Call`.
    stream: str = ""

    def dump(self) -> bytes:
        """Return the text of ``call.json``; the body, if there is one, goes into ``inputs/``."""
        content = asdict(replace(self, input=replace(self.input, body=None)))
        del content["input"]["body"]
        content["input"]["has_body"] = self.input.body is not None
        return json.dumps(content, indent=1).encode()

    @classmethod
    def read(cls, directory: JobDirectory, *, with_body: bool = True) -> "JobCall":
        """Read it back from a job's directory; without the body, which may be large, if so asked.

        A body that is not read is noted as an empty one.
        """
        content = json.loads(directory.call.read_bytes())
        source, call = content["source"], content["input"]
        body = b"" if call.pop("has_body") else None
        if body is not None and with_body:
            body = body_file(directory).read_bytes()
        files = tuple((name, UploadedFile(*file)) for name, file in call.pop("files"))
        pairs = {place: tuple((name, text) for name, text in call[place]) for place in call}
        return cls(
            source=ModelSource(**{**source, "kind": SourceKind(source["kind"])}),
            input=CallInput(**pairs, files=files, body=body),
            warm=content["warm"],
            request_id=content.get("request_id", ""),
            principal=content.get("principal"),
            stream=content.get("stream", ""),
        )


def body_file(directory: JobDirectory) -> Path:
    """Return where the JSON body of a job's input lies, if it has one."""
    return directory.inputs / _BODY
