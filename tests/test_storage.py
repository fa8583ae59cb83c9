"""The database: how it is opened, who may write, and one clear error where it cannot be used."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from click.testing import CliRunner

from patchgap import storage
from patchgap.cli import main
from patchgap.errors import BadInputError
from patchgap.graph.reading import SCHEMA
from patchgap.incident.inbox import Inbox
from patchgap.storage import StorageError, connect, writing

pytestmark = pytest.mark.usefixtures("every_migration")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "patchgap.db"


def test_the_newest_migration_is_the_schema_that_the_code_expects() -> None:
    """There is one head, and both readers of the version name it."""
    config = Config()
    config.set_main_option("script_location", str(Path(storage.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [storage.HEAD] == [SCHEMA]


def test_a_new_database_is_made_with_its_folder_and_opened_again(file: Path) -> None:
    """The first connection makes everything, the second changes nothing."""
    connect(f"sqlite:///{file}").dispose()
    before = file.read_bytes()
    connect(f"sqlite:///{file}").dispose()
    assert file.read_bytes() == before


@pytest.mark.parametrize(("version", "mode"), [((3, 40, 1), "delete"), ((3, 51, 2), "delete"), ((3, 51, 3), "wal")])
def test_every_connection_holds_the_pragmas(
    file: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], mode: str
) -> None:
    """Foreign keys on, durable commits, and the write-ahead log only on versions that do not lose data with it."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    engine = connect(f"sqlite:///{file}")
    with engine.connect() as one, engine.connect() as two:
        for connection in (one, two):
            asked = ("foreign_keys", "synchronous", "journal_mode")
            assert [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked] == [1, 2, mode]


def test_a_reference_to_nothing_is_refused(file: Path) -> None:
    """Foreign keys hold."""
    engine = connect(f"sqlite:///{file}")
    orphan = "INSERT INTO incident_key (key, incident) VALUES ('k', 'inc-none')"
    with pytest.raises(sa.exc.IntegrityError), writing(engine) as connection:
        connection.exec_driver_sql(orphan)


def test_a_write_transaction_holds_the_lock_before_it_writes(file: Path) -> None:
    """A second writer is refused at its beginning, not at its first statement."""
    engine = connect(f"sqlite:///{file}")
    with (
        writing(engine),
        closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as other,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")


def test_a_write_that_fails_leaves_nothing(file: Path) -> None:
    """An exception of any kind takes everything back."""
    engine = connect(f"sqlite:///{file}")

    def fail() -> None:
        with writing(engine) as connection:
            connection.exec_driver_sql("DELETE FROM alembic_version")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == storage.HEAD


def test_many_that_open_a_new_database_at_once_make_it_once(file: Path) -> None:
    """The migration runs under the write lock."""
    with ThreadPoolExecutor(8) as pool:
        engines = list(pool.map(lambda _n: connect(f"sqlite:///{file}"), range(8)))
    with engines[0].connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").fetchall() == [(storage.HEAD,)]


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://u:hunter2@h/x",
        "sqlite+aiosqlite:///x.db",
        "postgresql+asyncpg://u:hunter2@h/x",
        "postgresql://u:hunter2@h:abc/x",
    ],
)
def test_a_url_that_is_not_served_is_refused(url: str) -> None:
    """The variable and what to write are named, the password is not."""
    with pytest.raises(BadInputError, match=r"PATCHGAP_DATABASE_URL: .*(sqlite:///FILE|SQLite)") as caught:
        connect(url)
    assert "hunter2" not in str(caught.value)


def _not_a_database(file: Path) -> None:
    file.write_bytes(b"this is a text, and it is longer than a header of a database would be: " * 20)


def _cut_in_half(file: Path) -> None:
    connect(f"sqlite:///{file}").dispose()
    file.write_bytes(file.read_bytes()[:3000])


def _newer(file: Path) -> None:
    connect(f"sqlite:///{file}").dispose()
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
        raw.commit()


@pytest.mark.parametrize("spoil", [_not_a_database, _cut_in_half, _newer, Path.mkdir])
@pytest.mark.parametrize("command", ["graph add", "exposure x", "ledger verify", "metrics"])
def test_a_database_that_cannot_be_used_is_one_error_and_stays_as_it_is(
    tmp_path: Path, spoil: Callable[[Path], None], command: str
) -> None:
    """Every command names the file and the way on, and changes no byte of it."""
    file = tmp_path / "patchgap.db"
    spoil(file)
    before = file.read_bytes() if file.is_file() else None
    sbom = tmp_path / "x.json"
    sbom.write_text("{}")
    asked = [*command.split(), *([str(sbom)] if command == "graph add" else [])]
    ran = CliRunner().invoke(main, ["--home", str(tmp_path), *asked])
    assert ran.exit_code == 2, ran.output
    assert f"{file} " in ran.stderr
    assert [line[:10] for line in ran.stderr.splitlines()] == ["patchgap: "]
    assert (file.read_bytes() if file.is_file() else None) == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file stands where the database's folder should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/patchgap\.db does not answer soundly: "):
        connect(f"sqlite:///{tmp_path / 'file' / 'patchgap.db'}")


def test_a_database_that_goes_away_later_is_told_the_same(file: Path) -> None:
    """Reading and writing raise one of our errors, so that whoever waits can try again."""
    engine = connect(f"sqlite:///{file}")
    inbox = Inbox(engine, lambda: pytest.fail("no time is asked for"))
    engine.dispose()
    _not_a_database(file)
    with pytest.raises(StorageError, match="file is not a database"):
        inbox.pending()


def test_a_server_that_is_down_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL at a port where nothing listens: the address, the reason, no secret."""
    with pytest.raises(StorageError, match=r"postgresql\+psycopg://u:\*\*\*@127\.0\.0\.1:9/x .*refused") as caught:
        connect("postgresql://u:hunter2@127.0.0.1:9/x?password=hunter3")
    assert "hunter" not in str(caught.value)
