"""The secrets of Secrets Manager that workloads read, and the access key that one holds.

Owns where it is said which secret a workload reads, and the form of a secret that holds an access key. A value is read and
written here and nowhere else; it is never part of an error, and its `repr` does not show it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from integrations.aws.account import Account, Json
from integrations.aws.inventory.ecs import definition_of, parts_of
from integrations.aws.inventory.reading import tags_of
from patchgap.errors import ConflictError, NotFoundError, RefusedError
from patchgap.model.workload import Workload
from patchgap.settings import AwsSettings

_IDS, _SECRETS = ("accesskeyid", "awsaccesskeyid"), ("secretaccesskey", "awssecretaccesskey")
_FORM = 'Write it as JSON with "AWS_ACCESS_KEY_ID" and "AWS_SECRET_ACCESS_KEY".'


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as Secrets Manager tells of it, without its value. `user` is the IAM user whose access key it holds, ""
    where a function rotates it."""

    arn: str
    name: str
    region: str
    user: str
    function: str  # the ARN of its rotation function, "" for none
    stages: Mapping[str, tuple[str, ...]]  # version -> its labels


@dataclass(frozen=True, slots=True)
class HeldKey:
    """The access key in a secret."""

    identifier: str = field(repr=False)  # of the key: no secret, but the ledger takes it for one
    value: str = field(repr=False)


def fingerprint(identifier: str) -> str:
    """What stands for a key in plans and in the ledger."""
    return hashlib.sha256(identifier.encode()).hexdigest()[:12]


def shown(identifier: str) -> str:
    """How a person finds the key among the user's."""
    return f"…{identifier[-4:]}"


class Readers:
    """Which secrets the workloads of one account read, by its settings, their tags and their task definitions."""

    def __init__(self, account: Account, settings: AwsSettings) -> None:
        self._account = account
        self._settings = settings
        self._definitions: dict[tuple[str, str], Json] = {}
        self._secrets: dict[tuple[str, str], Secret | str] = {}

    def of(self, workload: Workload) -> tuple[Secret | str, ...]:
        """Each secret that the workload reads, or why one cannot be rotated; () where none is known."""
        region = parts_of(workload.ref.namespace)[0]
        stated = {r.secret: r.user for r in self._account.settings.rotations if _matches(r.workload, workload)}
        tagged = workload.annotations.get(self._settings.secret_tag, "")
        names = dict.fromkeys((*stated, *([tagged] if tagged else ())))
        found = [self._secret(name, region, stated.get(name, "")) for name in names]
        found += [
            said.sentence if isinstance(said, _Untold) else self._secret(said, region, "")
            for said in self._defined(workload, region)
        ]
        known: dict[str, Secret | str] = {}
        for one in found:
            known.setdefault(one.arn if isinstance(one, Secret) else one, one)
        return tuple(known.values())

    def _secret(self, name: str, region: str, user: str) -> Secret | str:
        key = (name, user)
        if key not in self._secrets:
            try:
                self._secrets[key] = secret_of(self._account, name, region, self._settings.user_tag, user)
            except (NotFoundError, RefusedError) as error:
                self._secrets[key] = str(error)
        return self._secrets[key]

    def _defined(self, workload: Workload, region: str) -> Iterator[str | _Untold]:
        name = workload.annotations.get("task-definition", "")
        if not name:
            return
        if (region, name) not in self._definitions:
            self._definitions[region, name] = definition_of(self._account, region, name)
        for container in self._definitions[region, name].get("containerDefinitions") or ():
            for one in container.get("secrets") or ():
                told = str(one.get("valueFrom") or "")
                is_secret = ":secretsmanager:" in told
                yield (
                    ":".join(told.split(":")[:7]) if is_secret else _Untold(f"nothing rotates SSM's parameter {told}")
                )
            if any(e.get("name") == "AWS_ACCESS_KEY_ID" for e in container.get("environment") or ()):
                yield _Untold(f"task definition {name} holds an access key in clear: move it to Secrets Manager")


@dataclass(frozen=True, slots=True)
class _Untold:
    sentence: str


def secret_of(account: Account, name: str, region: str, user_tag: str, user: str = "") -> Secret:
    """The secret by name or ARN. Raises NotFoundError, and RefusedError for one that nothing says how to rotate."""
    where = name.split(":")[3] if name.startswith("arn:") else region
    told = account.read("secretsmanager", "DescribeSecret", where, SecretId=name)
    stages = {str(v): tuple(labels) for v, labels in (told.get("VersionIdsToStages") or {}).items()}
    user = user or tags_of(told.get("Tags")).get(user_tag, "")
    function = str(told.get("RotationLambdaARN") or "")
    if not user and not function:
        raise RefusedError(
            f"account {account.name}: secret {told['Name']} has no rotation function, and nothing says whose key it holds",
            f"Tag it {user_tag}=USER, name its user under [[aws.accounts.rotations]], or give it a rotation function.",
        )
    return Secret(str(told["ARN"]), str(told["Name"]), where, user, function, stages)


def key_in(account: Account, arn: str) -> HeldKey:
    """The access key that the secret holds now. Raises RefusedError for a secret of another form."""
    pair, document = _parsed(account, arn)
    return HeldKey(str(document[pair[0]]), str(document[pair[1]]))


def store(account: Account, arn: str, expected: str, key: HeldKey) -> None:
    """Puts the key in the place of the one that the secret holds (by fingerprint `expected`); its other fields stay. Raises
    ConflictError where the secret holds another one by now."""
    pair, document = _parsed(account, arn)
    if fingerprint(str(document[pair[0]])) != expected:
        raise ConflictError(
            f"account {account.name}: somebody has put another key into {_name(arn)} meanwhile",
            "Look who (CloudTrail: PutSecretValue); nothing was overwritten.",
        )
    text = json.dumps({**document, pair[0]: key.identifier, pair[1]: key.value})
    account.write("secretsmanager", "PutSecretValue", arn.split(":")[3], SecretId=arn, SecretString=text)


def _parsed(account: Account, arn: str) -> tuple[tuple[str, str], dict[str, Any]]:
    told = account.read("secretsmanager", "GetSecretValue", arn.split(":")[3], SecretId=arn)
    try:
        document = json.loads("" if "SecretBinary" in told else str(told["SecretString"]))
    except ValueError:
        document = None
    names = {_plain(k): k for k in document} if isinstance(document, dict) else {}
    pair = tuple(next((names[n] for n in known if n in names), "") for known in (_IDS, _SECRETS))
    if not isinstance(document, dict) or not all(pair):
        raise RefusedError(f"account {account.name}: {_name(arn)} holds no access key that is known as one", _FORM)
    return (pair[0], pair[1]), document


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _name(arn: str) -> str:
    return f"secret {arn.split(':', 6)[-1].rpartition('-')[0]}"


def _matches(pattern: str, workload: Workload) -> bool:
    ref, parts = workload.ref, pattern.split("/")
    names = (ref.namespace, ref.kind, ref.name)
    return len(parts) == len(names) and all(fnmatchcase(n, p) for n, p in zip(names, parts, strict=True))
