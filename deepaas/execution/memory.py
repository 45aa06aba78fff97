# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Recognise that memory ran out, of the machine or of a GPU, by what is said of it."""

#: In lower case: Python and NumPy, PyTorch, TensorFlow and JAX, CUDA, glibc.
_PHRASES = (
    "memoryerror",
    "out of memory",
    "outofmemory",
    "resource_exhausted",
    "resourceexhausted",
    "out_of_memory",
    "cannot allocate memory",
    "unable to allocate",
)


def tells_of_memory(text: str) -> bool:
    """Whether the text of an exception, its type's name in front, says that memory ran out."""
    text = text.lower()
    return any(phrase in text for phrase in _PHRASES)
