import os
import socket
from pathlib import Path

import pytest

from deploy.local import ports
from deploy.local.ports import HOST, answers, free_port, free_ports, require_free
from deploy.local.processes import StackError


def test_a_free_port_is_none_that_an_outgoing_connection_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "range"
    monkeypatch.setattr(ports, "_OUTGOING", given)
    for text, highest in (("25000\t60999\n", 25_000), ("1024\t65535\n", 65_536), (None, 32_768)):
        given.write_text(text) if text else given.unlink()
        assert max(free_ports(100)) < highest


def test_a_free_port_can_be_used() -> None:
    assert len(set(free_ports(50))) == 50
    port = free_port()
    require_free("ingest", port, "KIZUNA_INGEST_PORT")
    assert not answers(port)


def test_a_taken_port_is_named_with_its_holder_and_the_remedy() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        assert answers(port)
        with pytest.raises(StackError) as refused:
            require_free("ingest", port, "KIZUNA_INGEST_PORT")
    message = str(refused.value)
    assert f"Port {port}, wanted by ingest" in message
    assert f"process {os.getpid()}" in message
    assert "KIZUNA_INGEST_PORT=" in message


def test_a_port_whose_last_connection_has_just_ended_is_free() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection((HOST, port))
        accepted, _ = server.accept()
        accepted.close()  # the server closes first, so its side waits in TIME_WAIT
        client.close()
    require_free("ingest", port, "KIZUNA_INGEST_PORT")
