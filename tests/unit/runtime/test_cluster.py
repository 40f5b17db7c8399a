"""How to get into Kafka: what is said goes to every client, and what cannot work is refused before there is one."""

import os
import ssl
from pathlib import Path

import pytest

from shared.cluster import Cluster
from shared.settings import cluster_of
from tests.plugins.certificates import self_signed

BROKER = {"KAFKA_BOOTSTRAP_SERVERS": "far.example:9093"}
LOGIN = {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USERNAME": "kizuna", "KAFKA_SASL_PASSWORD": "hunter2"}


def told(**variables: str) -> dict[str, str]:
    return BROKER | {f"KAFKA_{name.upper()}": value for name, value in variables.items()}


def test_nothing_said_is_plaintext() -> None:
    assert cluster_of(BROKER) == Cluster("far.example:9093")
    assert cluster_of(told(security_protocol="", sasl_username="", ssl_cafile="")) == Cluster("far.example:9093")
    assert cluster_of(BROKER).client() == {"bootstrap_servers": "far.example:9093", "security_protocol": "PLAINTEXT"}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_login_goes_to_the_client_and_shows_nowhere(mechanism: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    environ = told(security_protocol="SASL_PLAINTEXT", sasl_mechanism=mechanism, sasl_username="kizuna")
    cluster = cluster_of(environ | {"KAFKA_SASL_PASSWORD_FILE": str(tmp_path / "password")})
    assert cluster.client() == {
        "bootstrap_servers": "far.example:9093",
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "kizuna",
        "sasl_plain_password": "hunter2",
    }
    assert "hunter2" not in f"{cluster} {cluster!r}"


def test_tls_trusts_the_system_unless_it_is_told_whom(tmp_path: Path) -> None:
    ours = self_signed(tmp_path, "ours")
    system = cluster_of(told(security_protocol="SSL")).client()["ssl_context"]
    assert system.verify_mode is ssl.CERT_REQUIRED
    assert system.check_hostname
    context = cluster_of(told(security_protocol="SSL", ssl_cafile=str(ours.cert))).client()["ssl_context"]
    assert [dict(each[0] for each in known["subject"]) for known in context.get_ca_certs()] == [{"commonName": "ours"}]
    assert context.check_hostname


def test_a_client_certificate_may_hold_its_key(tmp_path: Path) -> None:
    ours = self_signed(tmp_path, "ours")
    one = cluster_of(told(security_protocol="SSL", ssl_certfile=str(ours.both)))
    two = cluster_of(told(security_protocol="SSL", ssl_certfile=str(ours.cert), ssl_keyfile=str(ours.key)))
    assert one.client()["ssl_context"] is not two.client()["ssl_context"]
    assert two.client()["ssl_context"] is two.client()["ssl_context"], "files are read once"
    before = two.client()["ssl_context"]
    os.utime(ours.cert, (1, 1))
    assert two.client()["ssl_context"] is not before, "and again when somebody has renewed them"


def test_with_tls_and_login_both_go_to_the_client() -> None:
    client = cluster_of(told(security_protocol="SASL_SSL") | LOGIN).client()
    assert client["ssl_context"].check_hostname
    assert client["sasl_plain_password"] == "hunter2"


@pytest.mark.parametrize(
    ("variables", "remedy"),
    [
        ({"KAFKA_BOOTSTRAP_SERVERS": ""}, "KAFKA_BOOTSTRAP_SERVERS: "),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "KAFKA_SECURITY_PROTOCOL: .*'SASL_SSL'"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "set KAFKA_SASL_MECHANISM and KAFKA_SASL_PASSWORD and KAFKA_SASL_U"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", **LOGIN, "KAFKA_SASL_USERNAME": ""}, "set KAFKA_SASL_USERNAME$"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", **LOGIN, "KAFKA_SASL_MECHANISM": "GSSAPI"}, "MECHANISM: .*'PLAIN'"),
        (LOGIN, "KAFKA_SECURITY_PROTOCOL is PLAINTEXT, which does not use KAFKA_SASL_MECHANISM and"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", **LOGIN}, "SSL, which does not use KAFKA_SASL_MECHANISM and"),
        ({"KAFKA_SSL_CAFILE": "/ca.pem"}, "PLAINTEXT, which does not use KAFKA_SSL_CAFILE: name a protocol that does"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", **LOGIN, "KAFKA_SSL_CAFILE": "/ca"}, "not use KAFKA_SSL_CAFILE"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CAFILE": "/no/ca"}, "KAFKA_SSL_CAFILE=/no/ca .*No such file"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CAFILE": __file__}, "KAFKA_SSL_CAFILE=.* is no readable PEM"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_KEYFILE": "/key"}, "set KAFKA_SSL_CERTFILE"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CERTFILE": "/no/me"}, "KAFKA_SSL_CERTFILE=/no/me.*No such file"),
        ({"KAFKA_SASL_PASSWORD_FILE": "/no/word"}, "KAFKA_SASL_PASSWORD_FILE: /no/word cannot be read: No such file"),
    ],
)
def test_what_cannot_work_is_refused_by_name(variables: dict[str, str], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy) as refused:
        cluster_of(BROKER | variables)
    assert "hunter2" not in str(refused.value)


def test_a_key_that_wants_a_password_is_refused_instead_of_asking(tmp_path: Path) -> None:
    sealed = self_signed(tmp_path, "sealed", "a word")
    with pytest.raises(ValueError, match="without password"):
        cluster_of(told(security_protocol="SSL", ssl_certfile=str(sealed.both)))
