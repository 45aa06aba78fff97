# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Values of libraries that models use, and that are neither needed nor imported here.

They are known by the names of what they can do, on which torch and tensorflow, or pandas and
polars, agree.
"""

import io
from typing import Any

from deepaas.errors import InvalidAnswer


def array_of(value: Any) -> Any:
    """Return a tensor's values as a numpy array, which orjson knows; ``None`` for anything else.

    A tensor may lie on a device and need a gradient. One whose type numpy does not have is left to
    the slower ways.
    """
    if isinstance(value, type) or not callable(getattr(value, "numpy", None)):
        return None
    try:
        on_host = value.detach().cpu() if callable(getattr(value, "detach", None)) else value
        return on_host.numpy()
    except Exception:  # noqa: BLE001 - a foreign object that only looks like a tensor
        return None


def is_missing(value: Any) -> bool:
    """Tell whether it is what pandas puts where there is no value."""
    kind = type(value)
    return kind.__name__ in ("NaTType", "NAType") and kind.__module__.startswith("pandas.")


def rows_of(table: Any) -> Any:
    """Return a table's rows, each a dict by the columns' names; ``None`` for anything else."""
    if isinstance(table, type) or not hasattr(table, "columns"):
        return None
    try:
        if callable(getattr(table, "to_dicts", None)):
            return table.to_dicts()
        return table.to_dict(orient="records")
    except Exception:  # noqa: BLE001 - a foreign object that only looks like a table
        return None


def is_image(value: Any) -> bool:
    """Tell whether it is an image of Pillow's."""
    return any(base.__module__ == "PIL.Image" for base in type(value).__mro__)


def image_bytes(image: Any, content_type: str) -> bytes:
    """Write an image of Pillow's in the format of a media type.

    Raises:
        InvalidAnswer: Pillow does not know the format, or cannot write this image in it.
    """
    name = content_type.partition(";")[0].strip().rpartition("/")[2].upper()
    if name in ("JPEG", "JPG"):
        name = "JPEG"
        if image.mode not in ("L", "RGB", "CMYK"):
            image = image.convert("RGB")  # the format has no transparency and no palette
    buffer = io.BytesIO()
    try:
        image.save(buffer, format=name)
    except (KeyError, OSError, ValueError) as exc:
        raise InvalidAnswer(
            f"The model returned an image that cannot be written as {content_type}.",
            detail=f"{type(exc).__name__}: {exc}",
        ) from exc
    return buffer.getvalue()
