# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The rules, by subject; ``doc/source/reference/lint-rules.rst`` describes each."""

from deepaas.lint.rules import (
    arguments,
    dockerfile,
    downloads,
    images,
    metadata,
    pipelines,
    secrets,
    service,
    templates,
    texts,
)

_SUBJECTS = (
    *(metadata, images, dockerfile, downloads, secrets, service, templates, pipelines),
    *(arguments, texts),
)
RULES = tuple(rule for subject in _SUBJECTS for rule in subject.RULES)

__all__ = ["RULES"]
