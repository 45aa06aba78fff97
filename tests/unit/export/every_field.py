# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model that declares every kind of field, with texts that break what is pasted together."""

from typing import Any

from marshmallow import Schema, fields, validate

HOSTILE = (
    '"; rm -rf / #',
    "two\nlines\\\n# not a comment",
    "{{ template }} ${HOME} $(id) `id` $$ %s",
    'it\'s \\"quoted\\" \\n \\',
    " spaces  around ",
    "tab\there, bell\x07, Ünïcode ☃ \u2028 𝄞",
    "1e3",
    "0o17",
    "y",
    "null",
    "",
    "<<EOF\nEOF",
    "#",
    "---\n- a: &x *y !!python/object:os.system",
)


class Part(Schema):
    """A nested value."""

    depth = fields.Integer(validate=validate.Range(0, 5))
    label = fields.String(metadata={"description": HOSTILE[0]})


class EveryField:
    """Declares; nobody calls it."""

    def get_metadata(self) -> dict[str, Any]:
        """Say a hostile name."""
        return {"name": HOSTILE[0], "description": HOSTILE[1]}

    def get_predict_args(self) -> dict[str, fields.Field]:
        """Declare one argument of each kind, and one for each text."""
        texts = {
            text: fields.String(load_default=text, metadata={"description": text})
            for text in HOSTILE
            if text
        }
        return {
            "picture": fields.Raw(required=True, metadata={"type": "file", "location": "form"}),
            "pictures": fields.List(fields.Raw(metadata={"type": "file", "location": "form"})),
            "address": fields.Url(),
            "count": fields.Integer(load_default=3, validate=validate.Range(1, 9)),
            "rate": fields.Float(load_default=1e-7, allow_none=True),
            "exact": fields.Decimal(load_default=None),
            "is_fast": fields.Boolean(load_default=False),
            "choice": fields.String(validate=validate.OneOf(HOSTILE)),
            "hint": fields.String(metadata={"enum": ["a", "b"]}),
            "numbers": fields.List(fields.Float(), load_default=[1.5, 2.0]),
            "pair": fields.Tuple((fields.Integer(), fields.String())),
            "part": fields.Nested(Part),
            "table": fields.Dict(keys=fields.String(), values=fields.Integer()),
            "when": fields.DateTime(),
            "day": fields.Date(),
            "wait": fields.TimeDelta(),
            "id": fields.UUID(),
            "password": fields.String(load_default="hunter2", metadata={"secret": True}),
            "agent": fields.String(metadata={"location": "headers"}),
            "crumb": fields.String(data_key="Crumb!", metadata={"location": "cookies"}),
            **texts,
        }

    def predict(self, **arguments: Any) -> None:
        """Do nothing."""

    def get_train_args(self) -> dict[str, fields.Field]:
        """Declare one argument."""
        return {"epochs": fields.Integer(load_default=2)}

    def train(self, **arguments: Any) -> None:
        """Do nothing."""
