# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Read handwritten digits with a convolutional network; an example of a model in PyTorch.

:mod:`torch_cnn_model.api` is what DEEPaaS calls, :mod:`torch_cnn_model.network` the network and its
training, :mod:`torch_cnn_model.pictures` the way from an uploaded file to the network's input.
"""

__version__ = "1.0.0"
