"""A real Prefect server on loopback, as a child process: SQLite by default, its own home, its own password.

Nothing here talks to the server but to ask whether it is well.
"""

from __future__ import annotations

import fcntl
import http.client
import os
import secrets
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from flows.runtime.address import PrefectAddress
from flows.runtime.asked import Telling, asked_file
from flows.runtime.children import Child
from flows.runtime.patient import Patient
from patchgap.errors import PatchgapError, UnreachableError

HOST = "127.0.0.1"
_OURS = ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING")  # the client's words, not the server's
_SCHEMA = Path(__file__).parent / f"prefect-{version('prefect')}.sql"


class PrefectServer:
    """A server that runs while the context is open. `home` keeps its database, password, pages and log."""

    def __init__(self, home: Path, *, port: int = 0, timeout_seconds: float = 120) -> None:
        self.home = home
        self.port = port or free_port()
        self._timeout = timeout_seconds
        self._child: Child | None = None

    @property
    def address(self) -> PrefectAddress:
        """Where it answers; the password is made on first use."""
        return PrefectAddress(f"http://{HOST}:{self.port}/api", _password(self.home))

    def launch(self, environ: Mapping[str, str] = os.environ) -> Child:
        """Starts the process and returns it at once; `wait` waits until it answers."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        _seed(self.home / "prefect.db", environ)
        settings = {k: v for k, v in environ.items() if k not in _OURS} | self._settings()
        self._child = Child.start("flows.runtime", ["server", str(self.port)], settings, self.home / "server.log")
        return self._child

    def wait(self) -> None:
        """Returns when the server answers. Raises PatchgapError where it ends or takes too long."""
        deadline = time.monotonic() + self._timeout
        while not _healthy(self.port):
            code = self._child.ended() if self._child else 0
            if code is not None or time.monotonic() > deadline:
                log, words = (self._child.log, self._child.last_words()) if self._child else (self.home, "")
                self.stop()
                what = "did not answer in time" if code is None else f"ended with exit code {code}"
                raise PatchgapError(f"the Prefect server {what}: {words}", f"Read {log}, then start again.")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends it, with all its children. More than once is harmless."""
        if self._child:
            self._child.stop()
            self._child = None

    def __enter__(self) -> Self:
        self.launch()
        self.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _settings(self) -> dict[str, str]:
        ours = f"http://{HOST}:{self.port},http://localhost:{self.port}"
        return {
            "PREFECT_HOME": str(self.home),
            "PREFECT_PROFILES_PATH": str(self.home / "profiles.toml"),
            "PREFECT_SERVER_API_HOST": HOST,
            "PREFECT_SERVER_API_PORT": str(self.port),
            "PREFECT_SERVER_API_AUTH_STRING": _password(self.home),
            "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": ours,
            "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_API_URL": self.address.api_url,
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(self.home / "pages"),
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",  # no flow uses one; it takes 4 s of a first start
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "20",
            "DO_NOT_TRACK": "1",
            "PYTHONSAFEPATH": "1",
        }


@contextmanager
def announced(home: Path, port: int) -> Iterator[None]:
    """Tells `running` of a server on that port as long as the context is open and this process lives: the file
    stays, and its lock is what counts. Raises PatchgapError where another process tells of one."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / "port").open("a", encoding="ascii") as file:
        _lock(file.fileno(), home)
        file.truncate(0)
        file.write(str(port))
        file.flush()
        yield


def _lock(descriptor: int, home: Path) -> None:
    for _ in range(20):  # who looks whether it is taken holds it for a moment
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(0.05)
    raise PatchgapError(f"another `patchgap up` has just begun on {home.parent}", "Start again, and it is joined.")


def running(home: Path, *, wait_seconds: float = 120) -> PrefectAddress | None:
    """The server that `patchgap up` runs on that home, waited for while it starts; None for none. Raises
    UnreachableError where there is one that does not answer."""
    deadline = time.monotonic() + wait_seconds
    while (port := announced_port(home)) is not None:
        if _healthy(port):
            return PrefectAddress(f"http://{HOST}:{port}/api", _password(home))
        if time.monotonic() > deadline:
            raise UnreachableError(
                f"the Prefect server of the `patchgap up` on {home.parent} does not answer",
                f"Read {home / 'server.log'}; end that `patchgap up` and start it again.",
            )
        time.sleep(0.1)
    return None


def announced_port(home: Path) -> int | None:
    """The port that a living process tells of, 0 while it is about to; None where none does."""
    try:
        with (home / "port").open(encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return int((home / "port").read_text(encoding="ascii") or 0)
    return None


def free_port(wanted: int = 0) -> int:
    """`wanted` where nobody listens there, else any free port on loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _password(home: Path) -> str:
    """The server's "user:password", made once and kept readable by its owner alone."""
    file = home / "sign-in"
    if not file.exists():
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(f"patchgap:{secrets.token_urlsafe(24)}")
    return file.read_text(encoding="ascii").strip()


def _seed(database: Path, environ: Mapping[str, str]) -> None:
    """A new SQLite database gets the installed Prefect's schema at once, instead of 15 seconds of its migrations;
    for a Prefect that we hold no schema of, its migrations run as ever."""
    elsewhere = any(k.startswith(("PREFECT_SERVER_DATABASE_", "PREFECT_API_DATABASE_")) for k in environ)
    if database.exists() or elsewhere or not _SCHEMA.exists():
        return
    unfinished = database.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    connection = sqlite3.connect(unfinished)
    connection.executescript(_SCHEMA.read_text(encoding="utf-8"))
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    unfinished.replace(database)


def _healthy(port: int) -> bool:
    return answers(f"{HOST}:{port}", "/api/health")


def answers(where: str, path: str) -> bool:
    """Whether what listens there, HOST:PORT, answers that path with 200."""
    connection = http.client.HTTPConnection(where, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main(port: int) -> None:
    """The child: serves until it is told to end."""
    import uvicorn  # imported in the child alone
    from prefect.server.api.server import create_app

    from flows.runtime.cursors import freed_where_they_were_made

    freed_where_they_were_made()
    uvicorn.run(
        Telling(Patient(create_app()), asked_file(Path(os.environ["PREFECT_HOME"]))),
        host=HOST,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
