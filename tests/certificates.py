# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Certificates that vouch for themselves, for services on this machine."""

import datetime
import ssl
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def write_certificate(
    cert: Path, key: Path, *, name: str = "localhost", password: str | None = None
) -> None:
    """Write a new key and a certificate for it, which is also its own authority.

    Args:
        cert: File of the certificate.
        key: File of the key; may be the same.
        name: Whose it is.
        password: Of the key, ``None`` for none.
    """
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), *(x509.IPAddress(ip_address(ip)) for ip in LOOPBACK)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    key_bytes = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()
        if password is None
        else serialization.BestAvailableEncryption(password.encode()),
    )
    cert_bytes = certificate.public_bytes(serialization.Encoding.PEM)
    if cert == key:
        cert.write_bytes(key_bytes + cert_bytes)
    else:
        cert.write_bytes(cert_bytes)
        key.write_bytes(key_bytes)


LOOPBACK = ("127.0.0.1", "::1")


def trusting(cert: Path) -> ssl.SSLContext:
    """Return how a client trusts a certificate."""
    return ssl.create_default_context(cafile=str(cert))
