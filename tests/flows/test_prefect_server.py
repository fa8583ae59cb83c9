"""The Prefect server's own start: a schema that is Prefect's, and an address that is read and not guessed."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from flows.runtime import server
from flows.runtime.address import configured
from patchgap.errors import BadInputError, UnreachableError
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


@contextmanager
def answering(statuses: Iterator[int]) -> Iterator[int]:
    """The port of something that answers with one of these after the other."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(next(statuses))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    with HTTPServer((server.HOST, 0), Answers) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield http.server_port
        http.shutdown()


def test_a_server_that_is_starting_is_waited_for(tmp_path: Path) -> None:
    """A command that comes while `up` starts, or while its server is busy, joins it instead of starting another."""
    with answering(iter((503, 503, 200))) as port, server.announced(tmp_path, port):
        found = server.running(tmp_path)
    assert found is not None
    assert found.api_url == f"http://127.0.0.1:{port}/api"


def test_a_server_that_does_not_answer_is_told_and_not_doubled(tmp_path: Path) -> None:
    """Where `up` lives and its server does not answer, no second server is started on its database."""
    closed = server.free_port()
    with server.announced(tmp_path, closed), pytest.raises(UnreachableError, match="does not answer"):
        server.running(tmp_path, wait_seconds=0)


def test_only_who_tells_of_a_server_takes_it_back(tmp_path: Path) -> None:
    """The server of a single command, started and stopped on the same home, leaves that of `up` to be found."""
    with answering(iter((200,))) as port, server.announced(tmp_path, port):
        alone = server.PrefectServer(tmp_path)
        alone.launch()
        alone.stop()
        found = server.running(tmp_path)
        assert found is not None
        assert found.api_url.endswith(f":{port}/api")


def test_what_a_killed_up_left_is_no_server(tmp_path: Path) -> None:
    """The file alone says nothing: nobody lives who told it, even where somebody else answers on that port."""
    with server.announced(tmp_path, 1):
        pass
    assert server.running(tmp_path) is None
    with answering(iter((200, 200))) as port:
        (tmp_path / "port").write_text(str(port))
        (tmp_path / "sign-in").write_text("patchgap:x")
        assert server.running(tmp_path) is None
