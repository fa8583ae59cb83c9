"""GET and POST /v1/approvals/TOKEN: the page behind a notification's link, where a person reads a plan and answers it.

Reading changes nothing, whoever follows the link (mail scanners do); the answer is a button. Owns the page; whose answer
counts is `patchgap.stages.consent`'s.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from anyio import to_thread
from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from integrations.webhooks.reading import bytes_of
from patchgap.errors import BadInputError, PatchgapError, RefusedError
from patchgap.incident import difference
from patchgap.incident.events import Approved
from patchgap.incident.heading import title
from patchgap.incident.state import fold
from patchgap.model.finding import IncidentId
from patchgap.model.text import safe
from patchgap.ports import FlowStarter
from patchgap.stages.consent import Desk, must_wait, until

_LOG = logging.getLogger(__name__)
_TEMPLATES = Path(__file__).parent / "templates"
_MOST, _LARGEST = 500, 8192  # targets shown; bytes of an answer
_FIELDS = frozenset({"answer", "code", "why"})


class Approvals:
    """The two routes."""

    def __init__(self, desk: Desk, starter: FlowStarter, within: float) -> None:
        self._desk = desk
        self._starter = starter
        self._within = within

    async def show(self, request: Request) -> Response:
        """The plan with its form, or why it cannot be answered."""
        return await to_thread.run_sync(self._page, request.path_params["token"], "")

    async def answer(self, request: Request) -> Response:
        """Takes the answer. What is refused is said above the form, and nothing is spent or recorded by it."""
        token = request.path_params["token"]
        try:
            said = _form(await bytes_of(request, self._within, _LARGEST))
            took = await to_thread.run_sync(self._take, token, said)
        except (BadInputError, RefusedError) as error:
            return await to_thread.run_sync(self._page, token, str(error))
        return took

    def _take(self, token: str, said: dict[str, str]) -> Response:
        asked = self._desk.links.read(token, self._desk.clock())
        yes = said.get("answer") == "approve"
        if not yes and said.get("answer") != "decline":
            raise BadInputError("the answer", "it is neither yes nor no", "Use one of the two buttons.")
        done = self._desk.by_link(token, yes=yes, why=said.get("why", ""), code=said.get("code", ""))
        if not isinstance(done, Approved):
            return _html("said.html.j2", {"incident": asked.incident, "yes": False, "who": done.who, "run": ""})
        run = self._contain(asked.incident, done)
        return _html("said.html.j2", {"incident": asked.incident, "yes": True, "who": done.approver, "run": run})

    def _contain(self, incident: IncidentId, done: Approved) -> str:
        """Starts the containment; where Prefect does not answer, the scheduled round takes it up."""
        key = f"approved:{incident}:{done.plan_digest}:{done.expires_at.isoformat()}"
        try:
            return self._starter.start("contain", {"incident": incident}, key, (incident,))
        except PatchgapError as error:
            _LOG.warning("the approved containment of %s waits for the scheduled round: %s", incident, error)
            return ""

    def _page(self, token: str, problem: str) -> Response:
        try:
            asked = self._desk.links.read(token, self._desk.clock())
            entries = self._desk.ledger.read(asked.incident)
            state = fold(entries)
            held = must_wait(state, entries, asked.plan, self._desk.clock())
        except PatchgapError as error:
            return _html("refused.html.j2", {"problem": problem or str(error)}, HTTPStatus.FORBIDDEN)
        context = {
            "incident": asked.incident,
            "subject": title(state),
            "plan": held,
            "shown": held.actions[:_MOST],
            "left": max(0, len(held.actions) - _MOST),
            "until": until(held, entries[state.plan_seq - 1]),
            "person": asked.person,
            "problem": problem,
            "named": difference.named,
            "diff": difference.lines,
            "approved": state.approved(held.digest, self._desk.clock()),
        }
        return _html("approval.html.j2", context, HTTPStatus.FORBIDDEN if problem else HTTPStatus.OK)


def _form(body: bytes) -> dict[str, str]:
    """The fields of a form, each once. Raises BadInputError."""
    try:
        fields = parse_qs(body.decode("ascii"), strict_parsing=True, keep_blank_values=True, max_num_fields=8)
    except ValueError:
        fields = {"": [""]}
    if not fields.keys() <= _FIELDS or any(len(values) != 1 for values in fields.values()):
        raise BadInputError("the answer", "it is not what the page's form sends", "Use the page's own buttons.")
    return {name: values[0] for name, values in fields.items()}


def _shown(value: Any) -> Any:
    """What the templates write: of a text, no character that would hide or turn round another."""
    return type(value)(safe(value, keep="\n")) if isinstance(value, str) else value


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style() -> str:
    return (_TEMPLATES / "approval.css").read_text(encoding="utf-8")


def _html(template: str, context: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    page = _environment().get_template(template).render(context | {"style": _style()})
    allowed = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{allowed}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }
    return HTMLResponse(page, int(status), headers)
