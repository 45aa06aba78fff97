# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Check an image or a running service as the platform does before it takes them, without Docker."""

from pathlib import Path

from deepaas.images.config import check_config
from deepaas.images.registry import fetch_config
from deepaas.images.service import Asked, check_service
from deepaas.images.stored import open_stored
from deepaas.images.verdicts import Verdict

_KINDS = ("oci:", "oci-archive:", "docker-archive:")


def stored_at(reference: str) -> Path | None:
    """Return the folder or the file that a reference means, ``None`` where it is in a registry."""
    for kind in _KINDS:
        if reference.startswith(kind):
            rest = reference.removeprefix(kind)
            # Other programs have a name or a tag behind the path.
            return Path(rest if Path(rest).exists() else rest.partition(":")[0])
    return Path(reference) if Path(reference).exists() else None


def check_image(reference: str) -> list[Verdict]:
    """Check what an image says of itself; it blocks.

    Args:
        reference: A folder or an archive, also as ``oci:PATH``, ``oci-archive:PATH`` or
            ``docker-archive:PATH``, or a name in a registry.

    Raises:
        ConfigurationError: It is no image.
        RequestFailed: The registry does not give it.
    """
    path = stored_at(reference)
    return check_config(fetch_config(reference) if path is None else open_stored(path))


__all__ = ["Asked", "Verdict", "check_image", "check_service", "stored_at"]
