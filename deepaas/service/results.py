# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a queued prediction came to, as it is kept."""

from typing import NamedTuple

from deepaas.errors import DeepaasError
from deepaas.execution import answers
from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobdir import JobDirectory
from deepaas.service.predictions import Prediction, as_error


class KeptResult(NamedTuple):
    """What a prediction came to: an answer, or an error."""

    prediction: Prediction | None
    error: DeepaasError | None
    #: Of the request that asked for it.
    request_id: str


def read_result(directory: JobDirectory, model: str) -> KeptResult:
    """Return what is kept of a prediction in its job's directory; blocks.

    Raises:
        FileNotFoundError: Nothing is.
    """
    asked_by = JobCall.read(directory, with_body=False).request_id
    kept = answers.read(directory)
    if kept is None:
        raise FileNotFoundError
    if kept.failure is not None:
        return KeptResult(None, as_error(kept.failure, model), asked_by)
    fd = answers.open_body(directory)
    prediction = Prediction(kept.content_type, None, fd, kept.filename, version=kept.version)
    return KeptResult(prediction, None, asked_by)
