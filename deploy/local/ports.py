"""Owns what the local stack knows about TCP ports on loopback: whether one is free, and who holds it."""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from deploy.local.processes import StackError

HOST = "127.0.0.1"
_LOWEST = 10_000
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """Return a port that nobody listens on at the moment, and that no outgoing connection takes meanwhile."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return different ports that nobody listens on at the moment, and that no outgoing connection takes meanwhile."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            probe, port = held.enter_context(socket.socket()), _LOWEST + secrets.randbelow(_highest() - _LOWEST)
            with suppress(OSError):
                probe.bind((HOST, port))
                found.append(port)
    return found


def _highest() -> int:
    """Return where the ports begin that the system gives to outgoing connections; beyond all if that leaves too few."""
    try:
        first = int(_OUTGOING.read_text().split()[0])
    except (OSError, ValueError):
        first = 32_768  # Linux's own choice
    return first if first >= 2 * _LOWEST else 65_536


def answers(port: int) -> bool:
    """Whether somebody accepts connections on `port`."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def require_free(name: str, port: int, variable: str) -> None:
    """Raise StackError naming port, holder and remedy when `port` cannot be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free for a server
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise StackError(
                f"Port {port}, wanted by {name}, cannot be used: {error.strerror} ({_holder(port)}).\n"
                f"Stop that process, or choose another port: {variable}={free_port()} make up"
            ) from error


def _holder(port: int) -> str:
    try:
        connections = psutil.net_connections(kind="tcp")
        pid = next(c.pid for c in connections if c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN)
        return f"held by process {pid}, {psutil.Process(pid).name()}" if pid else "held by another user's process"
    except (psutil.Error, StopIteration):
        return "holder unknown"
