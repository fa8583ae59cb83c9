"""Cursors of the Prefect server's SQLite database, freed in the thread of their connection and never in the event loop.

A cursor that met "database is locked" is garbage in a cycle: its error holds the frames that hold it. Whoever collects
it resets its statement, and for that waits for the connection's mutex. A writer of that connection holds it for as long
as it waits for the database's lock, up to a minute. Where the event loop collects, it stands still, together with
the run that would have given the lock back.
"""

from __future__ import annotations

import aiosqlite


def freed_where_they_were_made() -> None:
    """For the life of this process. Closing a cursor that is closed already is nothing."""
    aiosqlite.Cursor.__del__ = hand_back  # type: ignore[attr-defined]


def hand_back(cursor: aiosqlite.Cursor) -> None:
    """Its connection's thread closes it, and holds the last reference to what is slow to free."""
    cursor._conn._tx.put_nowait((None, cursor._cursor.close))  # noqa: SLF001  (a cursor has no other way to its thread)
