"""What the real binaries need besides a server's certificate: users' certificates and the service accounts' signing key."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from integrations.rehearsal.certificates import Authority, Pair, private


def certificate_of(authority: Authority, name: str, groups: Sequence[str]) -> Pair:
    """A client certificate: the common name is the user, the organizations are its groups."""
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return authority.signed(subject, ExtendedKeyUsageOID.CLIENT_AUTH)


def signing_key() -> Pair:
    """The service accounts' signing key (RSA, as every version reads); `certificate` holds the public key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Pair(public, private(key))
