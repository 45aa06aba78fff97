# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A complete DEEPaaS model in one file: describe a DNA sequence."""

from typing import Any

from marshmallow import fields, validate

COMPLEMENT = str.maketrans("ACGT", "TGCA")


def get_metadata() -> dict[str, Any]:
    """Say what the model is."""
    return {
        "id": "minimal",
        "name": "DNA sequence",
        "description": "Length, GC content and reverse complement of a DNA sequence.",
        "author": "The DEEPaaS developers",
        "license": "Apache-2.0",
        "version": "1.0.0",
    }


def get_predict_args() -> dict[str, fields.Field]:
    """Declare what a client may send."""
    return {
        "sequence": fields.Str(
            required=True,
            validate=[validate.Length(max=100_000), validate.Regexp("^[ACGTacgt]+$")],
            metadata={"description": "Bases from 5' to 3', letters A, C, G and T."},
        ),
    }


def predict(sequence: str) -> dict[str, Any]:
    """Describe a sequence; GC content is the fraction of bases that are G or C, 0 to 1."""
    bases = sequence.strip().upper()
    return {
        "length": len(bases),
        "gc_content": (bases.count("G") + bases.count("C")) / len(bases),
        "reverse_complement": bases.translate(COMPLEMENT)[::-1],
    }
