"""What an API server's refusal means, in patchgap's errors.

Owns the reading of a Kubernetes `Status`: which permission is missing, who owns a field, which policy denied.
It trims foreign text and knows no transport.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

from patchgap.errors import ConflictError, NotFoundError, PatchgapError, RefusedError, UnreachableError

_LONGEST = 300  # characters of a foreign message that are shown
_LONGEST_PAUSE = 5.0  # seconds
_BUDGET = "DisruptionBudget"
_RBAC = re.compile(r'cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"')
_IN_NAMESPACE = re.compile(r'in the namespace "([^"]+)"')
_POLICY = re.compile(r"ValidatingAdmissionPolicy '([^']+)' with binding '[^']+' denied request")


class ForbiddenError(RefusedError):
    """RBAC says no. `permission` is what is missing ("list core/secrets in training")."""

    def __init__(self, problem: str, fix: str, permission: str) -> None:
        self.permission = permission
        super().__init__(problem, fix)


class DeniedError(RefusedError):
    """Admission says no. `policy` is the ValidatingAdmissionPolicy that denied, "" where it was something else."""

    def __init__(self, problem: str, fix: str, policy: str) -> None:
        self.policy = policy
        super().__init__(problem, fix)


class BudgetError(UnreachableError):
    """A disruption budget does not allow an eviction now. `budget` says which, in the server's words."""

    def __init__(self, problem: str, fix: str, budget: str) -> None:
        self.budget = budget
        super().__init__(problem, fix)


class ExpiredError(UnreachableError):
    """A list's continue token is too old; the list must be read again."""


class UnauthorizedError(UnreachableError):
    """The API server does not accept the credentials (401)."""


class NotServedError(NotFoundError):
    """The API server does not serve that kind at all, so that there can be none of it."""


def trimmed(text: str) -> str:
    """A foreign text on one line, cut to what a person reads."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"


def error_of(cluster: str, call: str, code: int, body: bytes) -> PatchgapError:
    """The error for an answer of 400 and above to `call` ("GET /api/v1/pods")."""
    status = _status(body)
    message = trimmed(str(status.get("message") or "") or body[:_LONGEST].decode("utf-8", "replace"))
    where = f"cluster {cluster}"
    if code == HTTPStatus.UNAUTHORIZED:
        return UnauthorizedError(f"{where} does not accept the credentials", "Renew them in its kubeconfig.")
    if code == HTTPStatus.FORBIDDEN:
        return _forbidden(where, message)
    if code == HTTPStatus.NOT_IMPLEMENTED or (code == HTTPStatus.NOT_FOUND and not status):
        return NotServedError(f"{where} does not serve {call}", "Check that it is Kubernetes 1.30 or later.")
    if code == HTTPStatus.NOT_FOUND:
        return NotFoundError(f"{where}: {message or call}", "Check the name; it may have been deleted since.")
    if code == HTTPStatus.CONFLICT:
        return _conflict(where, message, status)
    if code == HTTPStatus.GONE:
        return ExpiredError(f"{where}: the list changed while it was read", "Try again.")
    if code == HTTPStatus.TOO_MANY_REQUESTS and (budget := _budget(status)):
        return BudgetError(
            f"{where}: {budget}", "Wait, or scale the workload up, so that its budget allows it.", budget
        )
    if is_passing(code):
        return UnreachableError(f"{where} answered {code} to {call}: {message}", "Try again when it has recovered.")
    return RefusedError(
        f"{where} refused {call} with {code}: {message}", "Correct what the message names; nothing was changed."
    )


def is_passing(code: int, body: bytes = b"") -> bool:
    """Whether the server says that it cannot now: worth another try at once. How long to wait for a disruption budget is
    the caller's to say."""
    if code == HTTPStatus.TOO_MANY_REQUESTS and _BUDGET.encode() in body:
        return False
    return code == HTTPStatus.TOO_MANY_REQUESTS or (
        code >= HTTPStatus.INTERNAL_SERVER_ERROR and code != HTTPStatus.NOT_IMPLEMENTED
    )


def pause(attempt: int, retry_after: str) -> float:
    """How many seconds to wait after that attempt, where the server asked for so many ("" for none)."""
    asked = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
    return min(max(asked, 0.1 * float(1 << attempt)), _LONGEST_PAUSE)


def foreign(cluster: str, call: str, body: bytes, wanted: str = "JSON object") -> UnreachableError:
    """The error for an answer that is none of an API server's."""
    return UnreachableError(
        f"cluster {cluster} answered {call} with no {wanted}: " + trimmed(body[:80].decode("utf-8", "replace")),
        "Check that its address is a Kubernetes API server's.",
    )


def _status(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _budget(status: dict[str, Any]) -> str:
    causes = (status.get("details") or {}).get("causes") or []
    return "; ".join(trimmed(str(c.get("message"))) for c in causes if c.get("reason") == _BUDGET)


def _forbidden(where: str, message: str) -> PatchgapError:
    if found := _RBAC.search(message):
        namespace = _IN_NAMESPACE.search(message)
        resource = f"{found['group'] or 'core'}/{found['resource']}"
        permission = f"{found['verb']} {resource}" + (f" in {namespace[1]}" if namespace else "")
        return ForbiddenError(
            f"{where}: patchgap may not {permission}",
            f"Grant {permission} to patchgap's identity there by a role, and run it again.",
            permission,
        )
    policy = _POLICY.search(message)
    return DeniedError(
        f"{where} denied it by admission: {message}",
        "Change the request, or ask the policy's owner.",
        policy[1] if policy else "",
    )


def _conflict(where: str, message: str, status: dict[str, Any]) -> ConflictError:
    causes = (status.get("details") or {}).get("causes") or []
    owners = [f"{c.get('field')} ({trimmed(str(c.get('message')))})" for c in causes if c.get("field")]
    if owners:
        return ConflictError(
            f"{where}: another owner holds {'; '.join(owners)}",
            "Ask that owner to change it, or to give the field up; nothing was overwritten.",
        )
    return ConflictError(f"{where}: {message}", "Plan again: the object is not the one that was read.")
