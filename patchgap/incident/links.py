"""Links that carry a question to a person: which plan is asked about, of whom, and until when, signed.

A link that names a person is proof of being that person, so it is sent to them alone; one that names nobody shows the plan
and asks for a code. The key is a file of the data folder; whoever takes it away makes every link void.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from patchgap.errors import BadInputError, RefusedError
from patchgap.model.finding import IncidentId

_LONGEST = 2000
_READABLE_BY_OTHERS = 0o077
_ODD = "that link was not made here, or is cut off"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a link says: the plan of an incident, who is asked ("" for whoever has a code), and until when."""

    incident: IncidentId
    plan: str  # its digest
    person: str
    until: datetime


class Links:
    """Makes and reads links, by the key `keys/approvals.key` of the data folder, made on first use."""

    def __init__(self, home: Path) -> None:
        self._path = home / "keys" / "approvals.key"

    def token(self, asked: Asked) -> str:
        """The link's last part."""
        said = json.dumps([asked.incident, asked.plan, asked.person, asked.until.timestamp()]).encode()
        return f"{_text(said)}.{_text(self._sign(said))}"

    def read(self, token: str, now: datetime) -> Asked:
        """What it says. Raises RefusedError where it was not signed here, or is too old."""
        head, _, seal = token[:_LONGEST].partition(".")
        try:
            said, signed = _bytes(head), _bytes(seal)
        except (ValueError, binascii.Error):
            raise RefusedError(_ODD, "Use the newest message as it came.") from None
        if not hmac.compare_digest(signed, self._sign(said)):
            raise RefusedError(_ODD, "Use the newest message as it came.")
        incident, plan, person, until = json.loads(said)
        asked = Asked(IncidentId(incident), plan, person, datetime.fromtimestamp(until, UTC))
        if asked.until <= now:
            raise RefusedError(
                f"that link to {asked.incident} has expired: the answer is no",
                f"Plan again with `patchgap incident contain {asked.incident}`, and approve that plan.",
            )
        return asked

    def _sign(self, said: bytes) -> bytes:
        return hmac.new(self._key(), b"patchgap approval\n" + said, hashlib.sha256).digest()

    def _key(self) -> bytes:
        if not self._path.exists():
            self._make()
        if self._path.stat().st_mode & _READABLE_BY_OTHERS:
            raise BadInputError(self._path, "others can read the key of approvals", f"Run chmod 600 {self._path}.")
        key = self._path.read_bytes()
        if len(key) != hashlib.sha256().digest_size:
            raise BadInputError(self._path, "it holds no key", "Move it away; a new one is made.")
        return key

    def _make(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(hashlib.sha256().digest_size))
        try:
            os.link(draft, self._path)
        except FileExistsError:
            pass  # another process was first: the first one made is everybody's
        finally:
            draft.unlink()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
