"""An Apache Kafka behind TLS: one door for who logs in by name and password, one for who shows a certificate."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from deploy.local.apache import ApacheBroker
from deploy.local.ports import HOST, free_port
from shared.cluster import Cluster, Mechanism
from shared.kafka_admin import list_topics
from tests.plugins.certificates import Certificate, at, self_signed

USER, PASSWORD = "kizuna", "correct horse"
_MODULES = "org.apache.kafka.common.security"


@dataclass(frozen=True)
class SecureBroker(ApacheBroker):
    """Beside its folder lie its own certificate, which is to be trusted, and the client's, which it lets in."""

    certificate_port: int = field(default_factory=free_port)

    @property
    def own(self) -> Certificate:
        return at(self.folder.parent, "broker")

    @property
    def client(self) -> Certificate:
        return at(self.folder.parent, "client")

    def by_password(self, mechanism: Mechanism = "SCRAM-SHA-512", password: str = PASSWORD) -> Cluster:
        files = str(self.own.cert), None, None
        return Cluster(self.bootstrap_servers, "SASL_SSL", *files, mechanism, USER, SecretStr(password))

    def by_certificate(self, client: Certificate) -> Cluster:
        place = f"{HOST}:{self.certificate_port}"
        return Cluster(place, "SSL", str(self.own.cert), ssl_certfile=str(client.cert), ssl_keyfile=str(client.key))

    def _write_settings(self) -> None:
        self_signed(self.folder.parent, "broker")
        self_signed(self.folder.parent, "client")
        super()._write_settings()
        known = self.folder / "known.pem"
        known.write_text(self.own.cert.read_text() + self.client.cert.read_text())
        told = dict(line.split("=", 1) for line in self._settings.read_text().splitlines())
        door = f",CERTIFICATES://{HOST}:{self.certificate_port}"
        login = f'required username="{USER}" password="{PASSWORD}" user_{USER}="{PASSWORD}"'
        told |= {
            "listeners": told["listeners"] + door,
            "advertised.listeners": told["advertised.listeners"] + door,
            "listener.security.protocol.map": "CLIENTS:SASL_SSL,CERTIFICATES:SSL,CONTROLLER:PLAINTEXT",
            "listener.name.certificates.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.own.both),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(known),
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "listener.name.clients.plain.sasl.jaas.config": f"{_MODULES}.plain.PlainLoginModule {login};",
            "listener.name.clients.scram-sha-256.sasl.jaas.config": f"{_MODULES}.scram.ScramLoginModule required;",
            "listener.name.clients.scram-sha-512.sasl.jaas.config": f"{_MODULES}.scram.ScramLoginModule required;",
        }
        self._settings.write_text("".join(f"{name}={value}\n" for name, value in told.items()))

    def _java(self, *arguments: str) -> tuple[str, ...]:
        users = [f"--add-scram=SCRAM-SHA-{bits}=[name={USER},password={PASSWORD}]" for bits in (256, 512)]
        formats = arguments[1:2] == ("format",)
        return super()._java(*arguments[:2], *(users if formats else ()), *arguments[2:])


@pytest.fixture(scope="module")
def secure_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    """One for all tests of a module."""
    broker = SecureBroker(tmp_path_factory.mktemp("secure") / "apache", free_port(), tied=True)
    try:
        broker.start()
        asyncio.run(list_topics(broker.by_password()))  # the first login takes a cold JVM its time
        yield broker
    finally:
        broker.stop()
