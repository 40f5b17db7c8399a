"""Which Kafka is spoken to, and as whom: one value, made at the start and handed to whoever makes a client."""

import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import SecretStr

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

_TLS: Final = ("ssl_cafile", "ssl_certfile", "ssl_keyfile")
_SASL: Final = ("sasl_mechanism", "sasl_username", "sasl_password")


@dataclass(frozen=True, slots=True)
class Cluster:
    """What `KAFKA_…` says, field by field.

    Without a file of authorities those of the system are trusted; a broker's certificate must always name its host.
    Raises ValueError, naming the variables, for what cannot work together and for files that cannot be used.
    """

    bootstrap_servers: str
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    sasl_mechanism: Mechanism | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None

    def __post_init__(self) -> None:
        """Refuse at the start what would fail at every connection, or go out in the clear without being noticed."""
        given = {name for name in (*_TLS, *_SASL) if getattr(self, name)}
        used = {*(_TLS if self._encrypted else ()), *(_SASL if self._known else ())}
        if surplus := given - used:
            told = f"KAFKA_SECURITY_PROTOCOL is {self.security_protocol}, which does not use {_variables(surplus)}"
            raise ValueError(f"{told}: name a protocol that does, or take them away")
        if self._known and (missing := {*_SASL} - given):
            raise ValueError(f"KAFKA_SECURITY_PROTOCOL is {self.security_protocol}, so set {_variables(missing)}")
        if self.ssl_keyfile and not self.ssl_certfile:
            raise ValueError("KAFKA_SSL_KEYFILE is set, so set KAFKA_SSL_CERTFILE: the certificate that goes with it")
        if self._encrypted:
            self._tls()

    def client(self) -> dict[str, Any]:
        """Return the arguments that every client of the library takes."""
        told: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.security_protocol,
        }
        if self._encrypted:
            told["ssl_context"] = self._tls()
        if self.sasl_password:
            told["sasl_mechanism"] = self.sasl_mechanism
            told["sasl_plain_username"] = self.sasl_username
            told["sasl_plain_password"] = self.sasl_password.get_secret_value()
        return told

    @property
    def _encrypted(self) -> bool:
        return self.security_protocol in {"SSL", "SASL_SSL"}

    @property
    def _known(self) -> bool:
        """Whether we say who we are by name and password."""
        return self.security_protocol in {"SASL_PLAINTEXT", "SASL_SSL"}

    def _tls(self) -> ssl.SSLContext:
        files = self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile
        return _context(*files, tuple(_changed_at(each) for each in files))


def _changed_at(path: str | None) -> int:
    try:
        return Path(path).stat().st_mtime_ns if path else 0
    except OSError:  # reading it says what is wrong
        return 0


@lru_cache(maxsize=1)
def _context(
    authorities: str | None, certificate: str | None, key: str | None, changed: tuple[int, ...]
) -> ssl.SSLContext:
    """Read the files once, and again when they have `changed`: whom the broker refuses builds its client anew."""
    del changed
    try:
        context = ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise ValueError(f"KAFKA_SSL_CAFILE={authorities} is no readable PEM of authorities: {error}") from None
    if certificate:
        try:
            context.load_cert_chain(certificate, key, password="")  # or it would ask for one on the terminal
        except OSError as error:
            told = f"KAFKA_SSL_CERTFILE={certificate}, KAFKA_SSL_KEYFILE={key or certificate}"
            raise ValueError(
                f"{told}: no readable PEM of a certificate and its key without password: {error}"
            ) from None
    return context


def _variables(names: set[str]) -> str:
    return " and ".join(f"KAFKA_{name.upper()}" for name in sorted(names))
