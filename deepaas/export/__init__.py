# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""From a module to the files that deploy it, and from such files back to what they say."""

from deepaas.export.checking import Verdict, check
from deepaas.export.deployment import Deployment, ExportOptions, View, plan
from deepaas.export.table import TARGETS, find_target
from deepaas.export.target import Target
from deepaas.export.writing import write_files

__all__ = [
    "TARGETS",
    "Deployment",
    "ExportOptions",
    "Target",
    "Verdict",
    "View",
    "check",
    "find_target",
    "plan",
    "write_files",
]
