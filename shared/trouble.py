"""Telling the three kinds of failure apart: the world is broken, the message is bad, or our code is."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

READ_ONLY = "25006"
"""What a server says that is not the primary, or not any more."""
# SQLSTATE classes that say "try again": connection, rollback (deadlock), transaction state (read-only, time-outs),
# resources, intervention (shutdown, cancel), lock not available.
WORLD = ("08", "40", READ_ONLY, "25P03", "25P04", "53", "57", "55P03")

# character_not_in_repertoire, untranslatable_character: what PostgreSQL says to NUL in text and in jsonb.
BAD_TEXT = ("22021", "22P05")


def is_world_trouble(error: BaseException) -> bool:
    """Tell whether waiting and trying again is the remedy: no connection, a restart, a deadlock, no room."""
    if isinstance(error, OSError | TimeoutError | PoolTimeout | InterfaceError):
        return True
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        return error.connection_invalidated or state.startswith(WORLD) or (not state and _lost(error))
    return False


def is_bad_text(error: DBAPIError) -> bool:
    """Tell whether the database refused text that a caller sent: no text there can hold NUL."""
    return str(getattr(error.orig, "sqlstate", "")) in BAD_TEXT


def _lost(error: DBAPIError) -> bool:
    return isinstance(error, OperationalError) or "connection" in str(error.orig).lower()
