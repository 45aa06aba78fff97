# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Passwords as rclone writes them to its configuration: obscured, which hides them from a glance.

AES-256 in counter mode under a key that stands in rclone's source (fs/config/obscure/obscure.go):
whoever has the text has the password.
"""

import base64
import binascii
import os
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_KEY: Final = bytes.fromhex("9c935b48730a554d6bfd7c63c886a92bd390198eb8128afbf4de162b8b95f638")
_IV_BYTES: Final = 16


def obscure(plain: str) -> str:
    """Return a text that rclone reveals to this one; another one each time."""
    start = os.urandom(_IV_BYTES)
    cipher = Cipher(algorithms.AES256(_KEY), modes.CTR(start)).encryptor()
    return base64.urlsafe_b64encode(start + cipher.update(plain.encode())).decode().rstrip("=")


def reveal(obscured: str) -> str:
    """Return the password that was obscured.

    Raises:
        ValueError: Nothing that was obscured can look so; the message does not repeat it.
    """
    try:
        raw = base64.b64decode(obscured + "=" * (-len(obscured) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it has characters that no obscured password has") from None
    if len(raw) < _IV_BYTES:
        raise ValueError("it is too short for an obscured password")
    cipher = Cipher(algorithms.AES256(_KEY), modes.CTR(raw[:_IV_BYTES])).decryptor()
    try:
        return cipher.update(raw[_IV_BYTES:]).decode()
    except UnicodeDecodeError:
        raise ValueError("what it reveals is no text") from None
