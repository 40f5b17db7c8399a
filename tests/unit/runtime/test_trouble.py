"""The three kinds of failure are told apart."""

from typing import Any

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.trouble import is_world_trouble


def wrapped(kind: type[Any]) -> DBAPIError:
    error = Exception("as the driver says")
    error.sqlstate = kind.sqlstate  # type: ignore[attr-defined]  # as asyncpg's adapter sets it
    return DBAPIError("select 1", None, error)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        PoolTimeout(),
        InterfaceError("select 1", None, Exception("closed")),
        OperationalError("select 1", None, Exception("gone")),
        DBAPIError("select 1", None, Exception("connection was closed")),
        DBAPIError("select 1", None, Exception("?"), connection_invalidated=True),
        wrapped(asyncpg.AdminShutdownError),
        wrapped(asyncpg.CannotConnectNowError),
        wrapped(asyncpg.DeadlockDetectedError),
        wrapped(asyncpg.SerializationError),
        wrapped(asyncpg.TooManyConnectionsError),
        wrapped(asyncpg.DiskFullError),
        wrapped(asyncpg.IdleInTransactionSessionTimeoutError),
        wrapped(asyncpg.LockNotAvailableError),
    ],
)
def test_a_broken_world_is_waited_out(error: Exception) -> None:
    assert is_world_trouble(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("poison"),
        KeyError("x"),
        wrapped(asyncpg.UniqueViolationError),
        wrapped(asyncpg.NumericValueOutOfRangeError),
        wrapped(asyncpg.CharacterNotInRepertoireError),
        wrapped(asyncpg.UndefinedTableError),
        wrapped(asyncpg.InsufficientPrivilegeError),
    ],
)
def test_bad_messages_and_bad_code_are_not(error: Exception) -> None:
    assert not is_world_trouble(error)
