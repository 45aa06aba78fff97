# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A module as the companion tools see it."""

from deepaas.model.package import Package, package_of
from deepaas.project.image import image_of, parse_image
from deepaas.project.module import (
    API_PORT,
    IDE_PORT,
    MONITOR_PORT,
    Module,
    Resources,
    module_of,
    open_module,
)
from deepaas.project.settings import ProjectSettings, read_settings

__all__ = [
    "API_PORT",
    "IDE_PORT",
    "MONITOR_PORT",
    "Module",
    "Package",
    "ProjectSettings",
    "Resources",
    "image_of",
    "module_of",
    "open_module",
    "package_of",
    "parse_image",
    "read_settings",
]
