# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What one run of a function is about; made alike in the command and in its model's process."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deepaas.config import FunctionSettings
from deepaas.errors import ConfigurationError
from deepaas.functions.objects import Request, take_request
from deepaas.functions.outputs import Debts, Outputs, output_names

#: Name of the event that was given, in the folder of the run.
EVENT: Final = "event"
#: What is owed to a call.
ANSWER: Final = "answer"


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done, and where it goes."""

    settings: FunctionSettings
    request: Request
    #: ``None``: the one answer goes to standard output.
    outputs: Outputs | None
    debts: Debts


def take_task(settings: FunctionSettings, work: Path) -> Task:
    """Return what is to be done, and note what is owed for it.

    Args:
        settings: The options.
        work: Folder of this run, with the event where one was given.

    Raises:
        InvalidInput: The event cannot be used.
        ConfigurationError: The options do not go together, or a file is not there.
    """
    kept = work / EVENT
    request = take_request(settings.input, kept.read_bytes() if kept.exists() else None, os.environ)
    if request is None:
        raise ConfigurationError(
            "there is no event: give it at standard input or with --event, or the object with"
            " --input."
        )
    task = Task(settings, request, _outputs(settings, request, work), Debts(work))
    if request.call is not None:
        task.debts.owe({ANSWER: ANSWER})
    else:
        names = output_names([item.name for item in request.items])
        labels = (item.label for item in request.items)
        task.debts.owe(dict(zip(names, labels, strict=True)))
    return task


def _outputs(settings: FunctionSettings, request: Request, work: Path) -> Outputs | None:
    if request.call is not None:
        return None
    if settings.output_dir is not None:
        outputs = Outputs(settings.output_dir, "".join(filter(str.isalnum, work.name)))
        outputs.refuse_beside({item.name: item.path for item in request.items})
        return outputs
    if len(request.items) > 1:
        raise ConfigurationError(
            f"there are {len(request.items)} objects; say with --output-dir where their outputs go."
        )
    return None
