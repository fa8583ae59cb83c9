"""The errors a Kubernetes API server answers, as `Status` documents.

Owns the exact words, reasons and codes; knows nothing of storage or HTTP.
Messages follow Kubernetes v1.36 (k8s.io/apimachinery/pkg/api/errors).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Cause:
    """One cause of an invalid object: `reason` and `message` as the API words them, `field` a path."""

    reason: str
    message: str
    field: str

    def document(self) -> Json:
        """The cause as it stands in `details.causes`."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


@dataclass(frozen=True)
class Target:
    """What a status is about: a resource (plural) and, where known, a name."""

    group: str
    plural: str
    kind: str
    name: str = ""

    @property
    def qualified(self) -> str:
        """The plural with its group, as messages name it: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """The kind with its group: `Deployment.apps`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    def details(self, *, kind: str = "") -> Json:
        """The `details` of a status: name and group only where they are set."""
        document: Json = {"name": self.name} if self.name else {}
        if self.group:
            document["group"] = self.group
        document["kind"] = kind or self.plural
        return document


@dataclass
class ApiError(Exception):
    """An answer that is a failure: everything that the server writes for it."""

    code: int
    reason: str
    message: str
    details: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    def __str__(self) -> str:
        return f"{self.code} {self.reason}: {self.message}"

    def document(self) -> Json:
        """The failure as a `Status` document."""
        document: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            document["reason"] = self.reason
        if self.details is not None:
            document["details"] = dict(self.details)
        document["code"] = self.code
        return document


def not_found(target: Target) -> ApiError:
    """404 for a named object that is not there."""
    return ApiError(404, "NotFound", f'{target.qualified} "{target.name}" not found', target.details())


def no_such_resource() -> ApiError:
    """404 for a resource that the server's group version does not have."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def no_such_path() -> ApiError:
    """404 for a path outside the API: the real server answers it in plain text."""
    return ApiError(404, "NotFound", "404 page not found", text="404 page not found\n")


def already_exists(target: Target) -> ApiError:
    """409 for a create of a taken name."""
    return ApiError(409, "AlreadyExists", f'{target.qualified} "{target.name}" already exists', target.details())


def conflict(target: Target, why: str, *, by_kind: bool = False) -> ApiError:
    """409 for an optimistic lock or a precondition that failed; `by_kind` names the kind, not the plural."""
    named = target.qualified_kind if by_kind else target.qualified
    details = target.details(kind=target.kind) if by_kind else target.details()
    message = f'Operation cannot be fulfilled on {named} "{target.name}": {why}'
    return ApiError(409, "Conflict", message, details)


def modified(target: Target) -> ApiError:
    """409 for a stale resourceVersion."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(target, why)


def forbidden(target: Target, why: str, causes: Sequence[Json] = ()) -> ApiError:
    """403, by authorization or by admission."""
    subject = f'{target.qualified} "{target.name}"' if target.name else target.qualified
    details = target.details()
    if causes:
        details["causes"] = list(causes)
    return ApiError(403, "Forbidden", f"{subject} is forbidden: {why}", details)


def bad_request(message: str) -> ApiError:
    """400 with no details."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """401: no token, or one that is not (or no longer) good."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def invalid(target: Target, causes: Sequence[Cause]) -> ApiError:
    """422 with its causes; one cause stands bare in the message, several in brackets."""
    lines = [f"{cause.field}: {cause.message}" for cause in causes]
    joined = lines[0] if len(lines) == 1 else "[" + ", ".join(lines) + "]"
    details = target.details(kind=target.kind)
    details["causes"] = [cause.document() for cause in causes]
    return ApiError(422, "Invalid", f'{target.qualified_kind} "{target.name}" is invalid: {joined}', details)


def gone(message: str) -> ApiError:
    """410 for a resource version or a continue token that has been compacted."""
    return ApiError(410, "Expired", message)


def not_implemented(what: str) -> ApiError:
    """501 for what a real server has and the rehearsal cluster does not."""
    message = f"the rehearsal cluster does not implement {what}"
    return ApiError(501, "NotImplemented", message, {})


def method_not_allowed() -> ApiError:
    """405 for a verb that the resource does not have."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})
