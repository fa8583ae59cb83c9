"""A cursor that failed does not stop the Prefect server's event loop when it is collected."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from contextlib import suppress
from pathlib import Path

import aiosqlite
import pytest

from flows.runtime import cursors

WRITE = "INSERT INTO t VALUES (0)"


async def collect_while_a_writer_waits(database: Path) -> None:
    """What failed is collected while its connection waits for a lock that this very loop gives back."""
    holder = sqlite3.connect(database, isolation_level=None)
    async with aiosqlite.connect(database, isolation_level=None, timeout=0) as connection:
        holder.execute("BEGIN IMMEDIATE")
        cursor = await connection.cursor()
        with suppress(sqlite3.OperationalError):  # "locked"; pytest.raises would keep it from the collector
            await cursor.execute(WRITE)
        del cursor
        await (await connection.execute("PRAGMA busy_timeout = 60000")).close()
        writing = asyncio.create_task(connection.execute(WRITE))
        await asyncio.sleep(0.2)  # until its thread waits: SQLite tells nobody that it does
        gc.collect()
        holder.execute("ROLLBACK")
        await (await writing).close()
    holder.close()


def test_what_failed_is_freed_in_its_own_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer gets its lock. Collected in the loop, the cursor holds up who gives it, until it says "locked"."""
    monkeypatch.setattr(aiosqlite.Cursor, "__del__", cursors.hand_back, raising=False)
    database = tmp_path / "a.db"
    with sqlite3.connect(database) as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE t (n)")
    made.close()
    asyncio.run(collect_while_a_writer_waits(database))
