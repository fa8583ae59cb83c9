"""A new SQLite database gets the schema that the migrations made once in this process: they take a tenth of a second."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from patchgap import storage

real_upgrade = storage._upgrade


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """While open, an empty SQLite database gets the copy; any other database is migrated as ever."""
    made: list[str] = []

    def upgrade(engine: sa.Engine) -> None:
        if engine.dialect.name != "sqlite" or not _copied(engine, made or _made(folder, made)):
            real_upgrade(engine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "_upgrade", upgrade)
        yield


def _made(folder: Path, made: list[str]) -> list[str]:
    """The statements that make a migrated database, without those of the transaction around them."""
    file = folder / "migrated.db"
    engine = storage._engine(f"sqlite:///{file}")
    storage._prepare_sqlite(engine)
    real_upgrade(engine)
    engine.dispose()
    with closing(sqlite3.connect(file)) as raw:
        made.extend(list(raw.iterdump())[1:-1])
    return made


def _copied(engine: sa.Engine, made: list[str]) -> bool:
    """Whether the database was empty, and now is as those statements make it. Holds the write lock meanwhile."""
    with storage.writing(engine) as connection:
        if connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar():
            return False
        for statement in made:
            connection.exec_driver_sql(statement)
    return True
