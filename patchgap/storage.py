"""The database: one SQLAlchemy engine, one MetaData that graph/ and incident/ add their tables to, one schema version.

SQLite by default, PostgreSQL by URL. Knows nothing of what the tables mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from patchgap.errors import BadInputError, PatchgapError

HEAD = "0001"  # the newest migration; a test holds it to the folder

metadata = sa.MetaData()


def connect(url: str) -> sa.Engine:
    """An engine on a database at the current schema; creates or migrates it first.

    SQLite: foreign keys on, every write transaction begins IMMEDIATE (deferred ones forked a hash chain), and the
    rollback journal on versions whose write-ahead log loses data. Raises BadInputError for a URL that no driver takes.
    """
    try:
        engine = sa.create_engine(url)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
        raise BadInputError(
            "PATCHGAP_DATABASE_URL", "no database driver takes it", "Use sqlite:///FILE or postgresql+psycopg://…."
        ) from error
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    _migrate(engine)
    return engine


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A write transaction that holds the database's write lock from its first statement; commits at the end."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()


def _prepare_sqlite(engine: sa.Engine) -> None:
    if engine.url.database and engine.url.database != ":memory:":
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)

    @event.listens_for(engine, "connect")
    def _configure(dbapi: Any, _record: Any) -> None:
        dbapi.isolation_level = None  # the driver must not begin transactions of its own
        dbapi.execute("PRAGMA foreign_keys=ON")
        dbapi.execute("PRAGMA busy_timeout=30000")
        dbapi.execute("PRAGMA synchronous=FULL")
        dbapi.execute(f"PRAGMA journal_mode={'WAL' if _wal_is_safe() else 'DELETE'}")


def _wal_is_safe() -> bool:
    import sqlite3

    return sqlite3.sqlite_version_info >= (3, 51, 3)


def _migrate(engine: sa.Engine) -> None:
    if _version(engine) == HEAD:
        return
    from alembic import command  # imported late: only a new or older database pays for it
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["engine"] = engine
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise PatchgapError(
            f"the database at {engine.url.render_as_string()} has a schema of another patchgap: {error}",
            "Run the patchgap that made it, or a newer one.",
        ) from error


def _version(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
