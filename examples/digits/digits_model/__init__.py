# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Read handwritten digits with a small neural network; an example of a DEEPaaS model.

:mod:`digits_model.api` is what DEEPaaS calls, :mod:`digits_model.classifier` the learning and
:mod:`digits_model.images` the way from an uploaded file to the network's input.
"""

__version__ = "1.0.0"
