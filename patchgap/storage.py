"""The database: one SQLAlchemy engine, one MetaData that graph/ and incident/ add their tables to, one schema version.

SQLite by default, PostgreSQL by URL. Knows nothing of what the tables mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from patchgap.errors import BadInputError, PatchgapError

HEAD = "0013"  # the newest migration; a test holds it to the folder

metadata = sa.MetaData()

_MIGRATING = Lock()  # Alembic's context is the process's; other processes wait for the database's write lock

_LOCKS = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(7310184372)"}  # any number, ours


class StorageError(PatchgapError):
    """The database cannot be opened, read or written; what it holds is as it was."""


def connect(url: str) -> sa.Engine:
    """An engine on a database at the current schema; creates or migrates it first.

    SQLite: foreign keys on, every write transaction begins IMMEDIATE (deferred ones forked a hash chain), and the
    rollback journal on versions whose write-ahead log loses data. PostgreSQL: one writer at a time too.
    Raises BadInputError for a URL that no driver takes, StorageError for a database that does not open; so does, from
    then on, whatever uses the engine while the database does not answer.
    """
    engine = _engine(url)
    event.listen(engine, "handle_error", _tell)
    try:
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        _migrate(engine)
    except (OSError, ValueError, TypeError, sa.exc.ArgumentError, sa.exc.DBAPIError) as error:
        raise _storage_error(engine, error) from error
    return engine


def _engine(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = sa.create_engine(parsed, pool_pre_ping=parsed.get_backend_name() == "postgresql")
    except ModuleNotFoundError as error:
        raise BadInputError(
            "PATCHGAP_DATABASE_URL",
            f"its driver {error.name} is not installed",
            "For PostgreSQL, pip install 'patchgap[postgresql]'; SQLite needs nothing.",
        ) from error
    except (sa.exc.ArgumentError, ImportError, ValueError, TypeError) as error:
        raise _unfit() from error
    if engine.dialect.name not in ("sqlite", "postgresql") or engine.dialect.is_async:
        raise _unfit()
    return engine


def _unfit() -> BadInputError:
    return BadInputError(
        "PATCHGAP_DATABASE_URL", "no database driver takes it", "Use sqlite:///FILE or postgresql+psycopg://…."
    )


def _tell(context: sa.engine.ExceptionContext) -> None:
    """Makes a database's refusal one of our errors; a constraint's or a statement's stays what it is."""
    error = context.sqlalchemy_exception
    told = isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError)) or type(error) is sa.exc.DatabaseError
    if told and context.engine is not None and "decode" not in str(context.original_exception):
        raise _storage_error(context.engine, context.original_exception) from context.original_exception


def _storage_error(engine: sa.Engine, error: BaseException) -> StorageError:
    known = getattr(error, "orig", None) or error
    words = getattr(known, "strerror", None) or (str(known).strip().splitlines() or [type(known).__name__])[0]
    where = engine.url.set(query={}).render_as_string()
    fix = {
        "sqlite": "Check that its folder can be written and the disk is not full, that nothing else holds it, and that"
        " it is a database; else restore a backup, or name another with PATCHGAP_DATABASE_URL.",
    }.get(engine.dialect.name, "Check that the server runs and that this role may log in and create tables.")
    return StorageError(f"the database {where} does not answer soundly: {words[:200]}", fix)


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A write transaction that holds the database's write lock from its first statement; commits at the end."""
    with engine.connect() as connection:
        connection.exec_driver_sql(_LOCKS[engine.dialect.name])
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()


def insert_many(connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Rows with a value for each of the table's columns, in their order, straight to the driver: COPY on PostgreSQL."""
    if not rows:
        return
    names = ", ".join(column.name for column in table.columns)
    cursor: Any = connection.connection.cursor()
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(table.columns))
        cursor.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", rows)  # noqa: S608  (our own names)
        return
    with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


@contextmanager
def told(engine: sa.Engine) -> Iterator[None]:
    """Makes the refusal of a driver that is used past SQLAlchemy one of our errors, as `connect`'s engine does."""
    dbapi: Any = engine.dialect.loaded_dbapi
    try:
        yield
    except dbapi.Error as error:
        if isinstance(error, dbapi.OperationalError | dbapi.InterfaceError) or type(error) is dbapi.DatabaseError:
            raise _storage_error(engine, error) from error
        raise


def _prepare_sqlite(engine: sa.Engine) -> None:
    if engine.url.database and engine.url.database != ":memory:":
        Path(engine.url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    @event.listens_for(engine, "connect")
    def _configure(dbapi: Any, _record: Any) -> None:
        dbapi.isolation_level = None  # the driver must not begin transactions of its own
        dbapi.execute("PRAGMA foreign_keys=ON")
        dbapi.execute("PRAGMA busy_timeout=30000")
        dbapi.execute("PRAGMA synchronous=FULL")
        dbapi.execute("PRAGMA cache_size=-32768")  # KiB
        dbapi.execute(f"PRAGMA journal_mode={'WAL' if _wal_is_safe() else 'DELETE'}")


def _wal_is_safe() -> bool:
    import sqlite3

    return sqlite3.sqlite_version_info >= (3, 51, 3)


def _migrate(engine: sa.Engine) -> None:
    with _MIGRATING:
        if _version(engine) != HEAD:
            _upgrade(engine)


def _upgrade(engine: sa.Engine) -> None:
    from alembic import command  # imported late: only a new or older database pays for it
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["engine"] = engine
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StorageError(
            f"the database {engine.url.set(query={}).render_as_string()} has a schema of another patchgap: {error}",
            "Run the patchgap that made it, or a newer one.",
        ) from error


def _version(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
