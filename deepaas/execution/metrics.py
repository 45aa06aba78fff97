# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The metrics in what a function has returned."""

import json
import logging
from typing import Final

logger = logging.getLogger(__name__)

#: So many fit into one report. A model that names each file of a data set does not make them up.
_MOST: Final = 256
_LONGEST_NAME: Final = 128


def numbers_in(result: str) -> dict[str, float]:
    """Return the numbers of a mapping by name, in its order; of anything else there are none.

    What is nested is no number, nor is a boolean, nor NaN, which JSON does not have.

    Args:
        result: What the function returned, as JSON text.
    """
    try:
        returned = json.loads(result)
    except RecursionError:
        return {}  # it is nested deeper than a mapping of numbers
    if not isinstance(returned, dict):
        return {}
    found = {name: value for name, value in returned.items() if type(value) in (int, float)}
    kept = [name for name in found if len(name) <= _LONGEST_NAME][:_MOST]
    if len(kept) < len(found):
        logger.warning(
            "%d of %d numbers become no metrics: there may be %d, with names of %d characters.",
            len(found) - len(kept),
            len(found),
            _MOST,
            _LONGEST_NAME,
        )
    return {name: found[name] for name in kept}
