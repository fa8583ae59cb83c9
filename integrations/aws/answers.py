"""What an answer of AWS holds, and what a refusal means, in patchgap's errors.

Owns that an answer without what was asked for is none, and the reading of an error's code. A foreign message is not shown:
it may quote what was signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from patchgap.errors import ConflictError, NotFoundError, PatchgapError, RefusedError, UnreachableError

_NOT_ALLOWED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "Client.UnauthorizedOperation",
        "NotAuthorized",
        "UnauthorizedOperation",
        "403",
    }
)
_NOT_BELIEVED = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_NOT_THERE = frozenset(
    {
        "404",
        "ClusterNotFoundException",
        "ImageNotFoundException",
        "InvalidGroup.NotFound",
        "NoSuchBucket",
        "NoSuchEntity",
        "NoSuchKey",
        "ObjectNotFoundException",
        "PipelineNotFoundException",
        "RepositoryNotFoundException",
        "RepositoryPolicyNotFoundException",
        "ResourceNotFoundException",
        "ServiceNotActiveException",
        "ServiceNotFoundException",
        "StageNotFoundException",
    }
)
_CHANGED = frozenset(
    {
        "ConcurrentModification",
        "ConcurrentUpdateException",
        "ConflictException",
        "DeleteConflict",
        "DependencyViolation",
        "EntityAlreadyExists",
        "InvalidGroup.Duplicate",
        "PreconditionFailed",
        "PreconditionFailedException",
        "ResourceConflictException",
        "ResourceInUseException",
        "UpdateInProgressException",
    }
)
_PASSING = frozenset({"RequestLimitExceeded", "SlowDown", "TooManyRequestsException", "RequestTimeout"})
_LIMITED, _FAILED = 429, 500  # HTTP


class ForbiddenError(RefusedError):
    """IAM says no. `permission` is the action that is missing ("ecs:UpdateService")."""

    def __init__(self, problem: str, fix: str, permission: str) -> None:
        self.permission = permission
        super().__init__(problem, fix)


class QuotaError(RefusedError):
    """The account allows no more of it."""


class Answer(dict[str, Any]):
    """What AWS says, or a part of it. What is read from it by its name must be there: raises UnreachableError, since such an
    answer leaves unknown what was asked. `get` is for what AWS leaves out where there is none."""

    call = ""

    def __missing__(self, name: str) -> Any:
        raise UnreachableError(
            f"{self.call} was answered without {name}", "Check its endpoint, and what proxy stands before it."
        )


def answered(said: Any, call: str) -> Any:
    """The same, each object in it an Answer to that call ("account prod-aws: iam:GetUser")."""
    if isinstance(said, list):
        return [answered(one, call) for one in said]
    if not isinstance(said, dict):
        return said
    made = Answer({name: answered(one, call) for name, one in said.items()})
    made.call = call
    return made


@contextmanager
def told(where: str, permission: str) -> Iterator[None]:
    """Makes boto3's errors ours; `permission` is the IAM action of the call."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError  # imported late: half a second
    from botocore.parsers import ResponseParserError  # no BotoCoreError

    try:
        yield
    except ClientError as error:
        raise _refusal(where, permission, error.response) from error
    except NoCredentialsError as error:
        raise UnreachableError(
            f"{where}: there are no AWS credentials here", "Set them as for AWS's own tools: a profile or a role."
        ) from error
    except (BotoCoreError, ResponseParserError, KeyError, OSError) as error:  # KeyError: XML without its result
        raise UnreachableError(
            f"{where} did not answer {permission} ({type(error).__name__})", "Check its regions, endpoint and network."
        ) from error


def _refusal(where: str, permission: str, response: Any) -> PatchgapError:
    code = str((response.get("Error") or {}).get("Code") or "")[:60]
    status = int((response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0)
    if code in _NOT_ALLOWED:
        return ForbiddenError(
            f"{where}: patchgap may not {permission}",
            f"Grant {permission} to patchgap's role in that account, and run it again.",
            permission,
        )
    if code in _NOT_BELIEVED:
        return UnreachableError(f"{where} does not accept the credentials ({code})", "Renew them, and run it again.")
    if code in _NOT_THERE:
        return NotFoundError(f"{where}: {permission} finds nothing ({code})", "It may have been deleted since.")
    if code in _CHANGED:
        return ConflictError(f"{where}: {permission}: another change came in between ({code})", "Run it again.")
    if code in {"LimitExceeded", "LimitExceededException"}:
        return QuotaError(f"{where}: {permission}: the account's quota is used up ({code})", "Make room, or raise it.")
    if status >= _FAILED or status == _LIMITED or code in _PASSING or "Throttl" in code:
        return UnreachableError(f"{where} cannot answer {permission} now ({code or status})", "Run it again later.")
    return RefusedError(f"{where} refused {permission} ({code})", "See that call in CloudTrail; nothing was changed.")
