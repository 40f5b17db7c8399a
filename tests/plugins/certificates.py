"""Certificates that sign themselves, each an authority of its own, for servers and clients on loopback."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from deploy.local.ports import HOST


class Certificate(NamedTuple):
    """PEM files: the certificate, its key, and both in one."""

    cert: Path
    key: Path
    both: Path


def at(folder: Path, name: str) -> Certificate:
    """Return where the one of this name lies."""
    return Certificate(*(folder / f"{name}.{each}.pem" for each in Certificate._fields))


def self_signed(folder: Path, name: str, password: str = "") -> Certificate:
    """Make one for 127.0.0.1, and for no name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    made = at(folder, name)
    sealed = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    made.cert.write_bytes(built.public_bytes(Encoding.PEM))
    made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
    made.both.write_bytes(made.key.read_bytes() + made.cert.read_bytes())
    return made
