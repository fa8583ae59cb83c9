"""The Prefect server's own start: a schema that is Prefect's, and an address that is read and not guessed."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

from flows.runtime import server
from flows.runtime.address import configured
from patchgap.errors import BadInputError
from tests.flows.running import clean_environ, run


def schema_of(database: Path) -> list[list[str]]:
    """The database as statements, each as its sorted lines: the migrations write a table's constraints in any order."""
    connection = sqlite3.connect(database)
    statements = list(connection.iterdump())
    connection.close()
    return sorted(sorted(line.strip(" \t,") for line in one.splitlines()) for one in statements)


def test_the_seeded_schema_is_what_prefects_migrations_make(tmp_path: Path) -> None:
    """A new database that we seed and one that Prefect migrates hold the same, to the statement."""
    migrated, seeded = tmp_path / "migrated", tmp_path / "prefect.db"
    command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
    run(command, clean_environ(PREFECT_HOME=str(migrated)), tmp_path).check_returncode()
    server._seed(seeded, {})
    assert schema_of(seeded) == schema_of(migrated / "prefect.db")


def test_a_database_elsewhere_is_not_seeded(tmp_path: Path) -> None:
    """Where the Prefect server is told to use PostgreSQL, no SQLite file is made."""
    server._seed(tmp_path / "prefect.db", {"PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql+asyncpg://db/prefect"})
    assert not (tmp_path / "prefect.db").exists()


def test_the_address_comes_from_the_variable_then_the_profile(tmp_path: Path) -> None:
    """PREFECT_API_URL wins over the active profile, and neither is None."""
    profiles = tmp_path / "profiles.toml"
    profiles.write_text('active = "team"\n[profiles.team]\nPREFECT_API_URL = "https://prefect.example/api"\n')
    environ = {"PREFECT_PROFILES_PATH": str(profiles)}
    assert configured({"PREFECT_PROFILES_PATH": str(tmp_path / "none")}) is None
    found, told = configured(environ), configured(environ | {"PREFECT_API_URL": "http://127.0.0.1:1/api/"})
    assert found is not None and found.ui_url == "https://prefect.example"  # noqa: PT018
    assert told is not None and told.api_url == "http://127.0.0.1:1/api"  # noqa: PT018


def test_a_broken_profile_is_named(tmp_path: Path) -> None:
    """An unreadable profiles file is one clear error with its path."""
    (tmp_path / "profiles.toml").write_text("active = ")
    with pytest.raises(BadInputError, match=r"profiles\.toml"):
        configured({"PREFECT_HOME": str(tmp_path)})


def test_a_password_is_in_no_address_that_is_shown() -> None:
    """Printing an address prints no password."""
    address = server.PrefectAddress("http://127.0.0.1:4200/api", "patchgap:hunter2")
    assert "hunter2" not in repr(address)
