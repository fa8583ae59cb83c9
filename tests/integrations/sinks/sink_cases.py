"""Every kind of sink beside a running service of it, made from settings as a person writes them."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from services import TOKEN, GitHubIssues, Jira, PagerDuty, Service, ServiceNow, Slack, SlackHook

from integrations.rehearsal.tickets import TicketSink
from patchgap.ports import Sink
from patchgap.registry import load
from patchgap.settings import SinkSettings

ENV = "TEST_SINK_TOKEN"
KINDS = (
    "pagerduty",
    "jira-cloud",
    "jira-server",
    "servicenow",
    "github",
    "slack",
    "slack-webhook",
    "email",
    "webhook",
    "file",
)
ASKABLE = tuple(k for k in KINDS if k not in {"pagerduty", "slack-webhook", "email"})
LIMITED = tuple(k for k in KINDS if k not in {"email", "webhook", "file"})


@dataclass
class Case:
    """A sink, and what its service holds: `opened` whole as text, `over` whether all of it is resolved."""

    sink: Sink
    opened: Callable[[], list[str]]
    over: Callable[[], bool]
    service: Service | None = None
    waits: list[float] = field(default_factory=list)


def settings(kind: str, url: str = "", **more: Any) -> SinkSettings:
    return SinkSettings.model_validate({"name": "it", "kind": kind, "url": url, "token": f"env:{ENV}", **more})


def made(one: SinkSettings, home: Path) -> Sink:
    return load().sinks[one.kind].make(one, home)


OPTIONS: dict[str, Any] = {
    "jira-cloud": {"project": "SEC", "user": "bot@example.org"},
    "jira-server": {"project": "SEC", "edition": "server"},
    "servicenow": {"user": "patchgap"},
    "github": {"repository": "example/platform-security"},
    "slack": {"channel": "C0123456789"},
}
SERVICES: dict[str, Callable[[], Any]] = {
    "pagerduty": PagerDuty,
    "jira-cloud": lambda: Jira("cloud"),
    "jira-server": lambda: Jira("server"),
    "servicenow": ServiceNow,
    "github": GitHubIssues,
    "slack": Slack,
    "slack-webhook": SlackHook,
}


@contextmanager
def running(name: str, folder: Path, monkeypatch: Any) -> Iterator[Case]:
    """The case of that name."""
    monkeypatch.setenv(ENV, TOKEN)
    with ExitStack() as stack:
        if name == "file":
            yield _file(folder)
        elif name == "webhook":
            yield _webhook(stack.enter_context(TicketSink(token=TOKEN)), folder)
        elif name == "email":
            yield stack.enter_context(mail(folder))
        else:
            yield _service(name, stack.enter_context(SERVICES[name]()), folder, monkeypatch)


def _service(name: str, service: Any, folder: Path, monkeypatch: Any) -> Case:
    kind = name.removesuffix("-cloud").removesuffix("-server")
    url = service.url
    if name == "slack-webhook":
        monkeypatch.setenv(ENV, f"{url}/services/T0/B0/{TOKEN}")
        url = ""
    waits: list[float] = []
    monkeypatch.setattr("integrations.rest.pause", waits.append)
    sink = made(settings(kind, url, options=OPTIONS.get(name, {})), folder)
    return Case(sink, service.opened, service.over, service, waits)


def _file(folder: Path) -> Case:
    def held() -> list[Any]:
        return [json.loads(p.read_text()) for p in folder.rglob("*.json")]

    sink = made(settings("file", token="", options={"folder": str(folder / "t")}), folder)
    return Case(sink, lambda: [json.dumps(h) for h in held()], lambda: all(h["status"] == "closed" for h in held()))


def _webhook(server: TicketSink, folder: Path) -> Case:
    def opened() -> list[str]:
        notes = list(server.notes.values())
        return [json.dumps([t, [n for n in notes if n["id"] == t["id"]]]) for t in server.tickets]

    sink = made(settings("webhook", server.url, options={"updates": True}), folder)
    return Case(sink, opened, lambda: any(n["ended"] for n in server.notes.values()))


class Inbox:
    """What an SMTP server accepted, one of a Message-ID, as mail systems show it."""

    def __init__(self) -> None:
        self.received: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  (aiosmtpd's)
        self.received.append(message_from_bytes(envelope.content, policy=default))
        return "250 OK"

    def opened(self) -> list[str]:
        return list({m["Message-ID"]: f"{m['Subject']}\n{m.get_content()}" for m in self.received}.values())


@contextmanager
def mail(folder: Path, **more: Any) -> Iterator[Case]:
    """An SMTP server that asks for TLS and a password, with a certificate of its own."""
    inbox = Inbox()
    certificate, context = _certificate(folder)
    server = Controller(
        inbox,
        hostname="127.0.0.1",
        port=_free(),
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=lambda *args: AuthResult(success=args[4].password == TOKEN.encode()),
    )
    server.start()
    try:
        people = {"host": "localhost", "port": server.port, "ca": str(certificate), "user": "patchgap"}
        people |= {"sender": "patchgap@example.org", "to": ["sec@example.org"], **more}
        case = Case(made(settings("email", options=people), folder), inbox.opened, lambda: True)
        yield replace(case, service=inbox)  # type: ignore[arg-type]
    finally:
        server.stop()


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    pem, key = folder / "mail.pem", folder / "mail.key"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    subprocess.run([*command, "-keyout", str(key), "-out", str(pem), *subject], check=True, capture_output=True)  # noqa: S603  (the test's own words)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    return pem, context
