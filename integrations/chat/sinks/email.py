"""E-mail by SMTP over TLS: a thread an incident, by Message-ID and References."""

from __future__ import annotations

import re
import smtplib
import ssl
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as MAIL
from email.utils import format_datetime
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from integrations.sinks import Options, bad, options
from patchgap.errors import UnreachableError
from patchgap.model.telling import Draft, Note, Ticket
from patchgap.model.unknown import Unknown
from patchgap.registry import sink
from patchgap.settings import SinkSettings, secret

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}", re.ASCII)
_TIMEOUT = 15.0  # seconds of each step of the dialogue


class _Email(Options):
    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    tls: Literal["starttls", "implicit"] = "starttls"  # there is no mail in the clear
    ca: Path | None = None  # of a server with a private certificate
    user: str = ""  # with the sink's token as the password; none where the server asks for none
    sender: str
    to: tuple[str, ...] = Field(min_length=1)

    @field_validator("to", "sender")
    @classmethod
    def _addresses(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for one in (value,) if isinstance(value, str) else value:
            if not _ADDRESS.fullmatch(one):
                raise ValueError("it is no e-mail address; write name@host alone")
        return value


@sink
class EmailKind:
    """People by e-mail.

    Example::

        name = "security-list"
        kind = "email"
        token = "env:SMTP_PASSWORD"
        verbs = ["notify", "person_called"]
        options = {host = "smtp.example.org", user = "patchgap", sender = "patchgap@example.org", to = ["sec@example.org"]}
    """

    kind: ClassVar[str] = "email"
    permissions: ClassVar[tuple[str, ...]] = ("to send as options.sender at options.host",)
    verbs: ClassVar[tuple[str, ...]] = ("open_incident", "notify", "person_called")

    def make(self, settings: SinkSettings, home: Path) -> EmailSink:  # noqa: ARG002  (the protocol's)
        """The list of people. Raises BadInputError naming a missing option."""
        asked = options(settings, _Email)
        if settings.url:
            raise bad(settings, "url is set; write options.host and options.port")
        if bool(settings.token) != bool(asked.user):
            raise bad(settings, "options.user and token go together")
        return EmailSink(asked, settings.token)


@dataclass(frozen=True, slots=True)
class EmailSink:
    """One list of people. Every attempt at a message bears the same Message-ID, by which mail systems know a second
    copy; a crash between sending and receipt may still send it twice, never not at all."""

    asked: _Email
    password: str  # a reference

    @property
    def shown(self) -> str:
        """The server and how many people."""
        return f"{', '.join(self.asked.to[:3])} by {self.asked.host}:{self.asked.port}"

    @property
    def anew(self) -> bool:
        """Whether a person is called by a thread of its own."""
        return False

    def find(self, key: str, since: datetime) -> Unknown:  # noqa: ARG002  (the protocol's)
        """Mail cannot be asked for."""
        return Unknown(self.shown, "mail cannot be asked; a second copy would bear the same Message-ID")

    def open(self, draft: Draft) -> Ticket:
        """Sends it. Raises UnreachableError where nobody was accepted."""
        return self._send(draft.key, draft.incident, draft.title, draft.body, draft.since)

    def add(self, ticket: Ticket, note: Note) -> None:  # noqa: ARG002  (the thread is the incident's)
        """Sends it in the same thread."""
        self._send(note.key, note.incident, note.title, note.body, None)

    def _send(self, key: str, incident: str, title: str, body: str, at: datetime | None) -> Ticket:
        message = EmailMessage(policy=MAIL)
        message["From"], message["To"] = self.asked.sender, ", ".join(self.asked.to)
        message["Subject"] = " ".join(title.split())
        message["Message-ID"] = self._id(key)
        message["References"] = message["In-Reply-To"] = self._id(incident)
        message["Auto-Submitted"] = "auto-generated"
        message["X-Patchgap-Incident"] = incident
        if at is not None:
            message["X-Patchgap-Signal-Received"] = format_datetime(at)
        message.set_content(body)
        try:
            self._deliver(message)
        except (OSError, smtplib.SMTPException) as error:
            raise self._unreachable(type(error).__name__) from error
        return Ticket(self._id(key).strip("<>"), "")

    def _deliver(self, message: EmailMessage) -> None:
        context = ssl.create_default_context(cafile=str(self.asked.ca) if self.asked.ca else None)
        if self.asked.tls == "implicit":
            made: smtplib.SMTP = smtplib.SMTP_SSL(self.asked.host, self.asked.port, timeout=_TIMEOUT, context=context)
        else:
            made = smtplib.SMTP(self.asked.host, self.asked.port, timeout=_TIMEOUT)
        with made as server:
            if self.asked.tls == "starttls":
                server.starttls(context=context)
            if self.asked.user:
                server.login(self.asked.user, secret(self.password))
            server.send_message(message)

    def _id(self, key: str) -> str:
        return f"<{key}@{self.asked.sender.rpartition('@')[2]}>"

    def _unreachable(self, why: str) -> UnreachableError:
        return UnreachableError(
            f"mail to {self.shown} was not accepted ({why})",
            "Check host, port, tls, user and token of that sink in [[sinks]]; docs/sinks.md has what it needs.",
        )
