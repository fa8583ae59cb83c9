"""Everything that `patchgap up` runs: server, worker, receiver. Starts what is missing, stops only what it started."""

from __future__ import annotations

import base64
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from flows.process import hand_over
from flows.runtime.address import PrefectAddress, configured
from flows.runtime.asked import asked_file
from flows.runtime.children import Child
from flows.runtime.local import address_of
from flows.runtime.server import PrefectServer, announced, announced_port, answers, free_port
from patchgap.errors import BadInputError, PatchgapError
from patchgap.settings import Settings, secret

WORKER_QUERY_SECONDS = "0.3"  # between two questions, at least


class Stack:
    """The parts, running while the context is open. `address` and `receiver_url` say where; `started` names what is
    ours. The processes get this one's environment and just these settings."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str] = os.environ, *, port: int = 4200, timeout: float = 120
    ) -> None:
        self.settings = settings
        self.started: list[str] = []
        self._port = port
        self._timeout = timeout
        self._environ = dict(environ) | hand_over(settings) | {"PYTHONSAFEPATH": "1"}
        self._open = ExitStack()
        self._children: list[tuple[str, Child]] = []

    def __enter__(self) -> Self:
        with self._open:  # whatever goes wrong, what was started is stopped
            self._start()
            self._open = self._open.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def _start(self) -> None:
        home = self.settings.home / "prefect"
        found = address_of(self.settings.home, self._environ)
        server = None if found else PrefectServer(home, port=free_port(self._port), timeout_seconds=self._timeout)
        self._joins = found is not None and self.sign_in_file is not None
        if server:
            self._open.enter_context(announced(home, server.port))
            self._open.callback(server.stop)
            self._children.append(("Prefect server", server.launch(self._environ)))
            self.started.append("Prefect server")
        self.address: PrefectAddress = found or server.address  # type: ignore[union-attr]  # one of the two is there
        worker = self._launch_worker(home)
        receiver = self._launch_receiver(home)
        if server:
            server.wait()
        self._await(worker, lambda: _ready(home / "worker.ready"), "the worker")
        at = self.receiver_url.removeprefix("http://")
        self._await(receiver, lambda: answers(at, "/readyz"), "the receiver")

    def _launch_worker(self, home: Path) -> Child:
        ready = home / "worker.ready"
        ready.unlink(missing_ok=True)
        # Prefect's runner and the fork server leave folders in TMPDIR, the runner's by one name for every user.
        # A short prefix: the fork server's socket is in it, and its path may have 104 characters.
        scratch = self._open.enter_context(tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True))
        ours = {"PREFECT_WORKER_QUERY_SECONDS": WORKER_QUERY_SECONDS, "TMPDIR": scratch}
        environ = self._environ | self.address.environ() | ours
        self.started.append("worker")
        asked = [str(asked_file(home))] if self.sign_in_file else []  # the server is this folder's
        return self._launch(["worker", str(ready), *asked], environ, home / "worker.log")

    def _launch_receiver(self, home: Path) -> Child:
        hook = self.settings.webhook
        port = free_port(hook.port)
        self.receiver_url = f"http://{hook.host}:{port}"
        environ = self._environ | self.address.environ() | self._webhook_secret()
        self.started.append("webhook receiver")
        return self._launch(["receiver", hook.host, str(port)], environ, home / "receiver.log")

    def _launch(self, arguments: list[str], environ: Mapping[str, str], log: Path) -> Child:
        child = Child.start("flows.runtime", arguments, environ, log)
        self._open.callback(child.stop)
        self._children.append((arguments[0], child))
        return child

    def _webhook_secret(self) -> dict[str, str]:
        """The configured secret is resolved where it is used; where the default one is not set, one is made and
        kept readable by its owner alone."""
        reference = self.settings.webhook.secret
        try:
            secret(reference, self._environ)
        except BadInputError:
            if not reference.startswith("env:"):
                raise
            file = self.secret_file
            if not file.exists():
                with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                    out.write("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
            return {reference.removeprefix("env:"): file.read_text(encoding="ascii").strip()}
        return {}

    @property
    def sign_in_file(self) -> Path | None:
        """The file that holds the Prefect server's "user:password"; None for a server that is configured."""
        return None if configured(self._environ) else self.settings.home / "prefect" / "sign-in"

    @property
    def webhook_secret_at(self) -> str:
        """Where the webhook's secret is, never the secret."""
        return str(self.secret_file) if self.secret_file.exists() else self.settings.webhook.secret

    def check(self) -> None:
        """Raises PatchgapError where a part that we started, or a server that we joined, has ended on its own."""
        for name, child in self._children:
            if (code := child.ended()) is not None:
                raise PatchgapError(
                    f"the {name} ended with exit code {code}: {child.last_words()}",
                    f"Read {child.log}, then start again; what was under way goes on from the ledger.",
                )
        if self._joins and announced_port(self.settings.home / "prefect") is None:
            raise PatchgapError("the `patchgap up` whose Prefect server this one used has ended", "Start again.")

    @property
    def secret_file(self) -> Path:
        """Where a webhook secret is kept that this process made itself; it need not exist."""
        return self.settings.home / "webhook-secret"

    def _await(self, child: Child, ready: Callable[[], bool], name: str) -> None:
        deadline = time.monotonic() + self._timeout
        while not ready():
            code = child.ended()
            if code is not None or time.monotonic() > deadline:
                what = "did not become ready in time" if code is None else f"ended with exit code {code}"
                raise PatchgapError(f"{name} {what}: {child.last_words()}", f"Read {child.log}, then start again.")
            time.sleep(0.05)


def _ready(file: Path) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8") == "ready"
