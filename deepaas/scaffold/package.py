# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The files of a new package."""

from typing import Any

import yaml

from deepaas.model.discovery import GROUP
from deepaas.scaffold.facts import LICENCES, Facts
from deepaas.scaffold.rendering import render

METADATA = "ai4-metadata.yml"
VERSION = "0.1.0"
#: In the order of specifiers in which setuptools writes them into an installed package.
REQUIREMENTS = ("deepaas>=3.0.0.dev0", "marshmallow<4,>=3.26.2")
_METADATA_HEAD = """\
# What catalogues show of the module: https://docs.ai4os.eu/projects/ai4-metadata
# The address of the code is made up; put your own in its place.
"""


def new_files(facts: Facts) -> dict[str, str]:
    """Return every file of a new package, by its path in the folder."""
    values = values_of(facts)
    module = facts.names.module
    return {
        "pyproject.toml": render("new/pyproject.toml", values),
        "README.md": render("new/README.md", values),
        "LICENSE": licence_text(facts),
        METADATA: metadata_text(facts),
        ".gitignore": render("new/gitignore", values),
        **{
            f"{module}/{name}": render(f"new/module/{name}", values)
            for name in ("__init__.py", "api.py", "classifier.py", "leaves.csv")
        },
        f"{module}/py.typed": "",
        **{
            f"tests/{name}": render(f"new/tests/{name}", values)
            for name in ("test_api.py", "test_classifier.py")
        },
    }


def installed_files(facts: Facts) -> dict[str, str]:
    """Return what the installation of a new package says of it, as setuptools writes it."""
    name, module = facts.names.distribution, facts.names.module
    fields = {
        "Metadata-Version": "2.4",
        "Name": name,
        "Version": VERSION,
        "Summary": " ".join(facts.summary.split()),
        "Author": facts.author,
        "License-Expression": facts.licence,
    }
    lines = [f"{key}: {value}" for key, value in fields.items()]
    lines += [f"Requires-Dist: {each}" for each in REQUIREMENTS]
    folder = f"{module}-{VERSION}.dist-info"
    return {
        f"{folder}/METADATA": "\n".join([*lines, ""]),
        f"{folder}/entry_points.txt": f"[{GROUP}]\n{name} = {module}.api:Model\n",
    }


def values_of(facts: Facts) -> dict[str, Any]:
    """Return what the templates may name."""
    return {
        "distribution": facts.names.distribution,
        "module": facts.names.module,
        "title": facts.title,
        "summary": facts.summary,
        "author": facts.author,
        "licence": facts.licence,
        "licences": LICENCES,
        "version": VERSION,
        "requirements": REQUIREMENTS,
    }


def licence_text(facts: Facts) -> str:
    """Return the text of the licence, with the name of who gives it where it has a place."""
    return render(f"licences/{facts.licence}", values_of(facts))


def metadata_text(facts: Facts) -> str:
    """Return ``ai4-metadata.yml``, by version 2.3.0 of its schema."""
    return _METADATA_HEAD + yaml.safe_dump(_metadata(facts), sort_keys=False, allow_unicode=True)


def _metadata(facts: Facts) -> dict[str, Any]:
    today = facts.today.isoformat()
    return {
        "metadata_version": "2.3.0",
        "title": facts.title,
        "summary": facts.summary,
        "description": facts.summary,
        "links": {"source_code": f"https://git.example/{facts.names.distribution}"},
        "dates": {"created": today, "updated": today},
        "libraries": ["Other"],
        "tasks": ["Classification"],
        "categories": ["AI4 trainable", "AI4 inference"],
        "tags": ["deepaas"],
        "data-type": ["Tabular"],
        "resources": {"inference": {"cpu": 1, "gpu": 0, "memory_MB": 1000}},
    }
