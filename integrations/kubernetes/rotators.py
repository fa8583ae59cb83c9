"""Rotators: who issues the value of a Secret, and is asked to issue another. patchgap never sees or sends a value.

Owns which rotator a Secret has, how one is asked, and by what a changed value is known: a salted digest that only the
old value has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from secrets import token_hex

from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.reach import settings_of
from integrations.kubernetes.resources import SECRETS
from integrations.outbound import Service
from patchgap.errors import RefusedError, UnreachableError
from patchgap.model.plan import Target
from patchgap.ports import Situation
from patchgap.settings import RotatorSettings

_OK, _FAILED = 300, 500  # below, it was taken; from, the rotator could not now
_SCRYPT = {"n": 1 << 14, "r": 8, "p": 1}  # 50 ms and 16 MiB a guess: a short password is not read out of the ledger


@dataclass(frozen=True, slots=True)
class KnownSecret:
    """What may be known of a Secret: everything but its value. `digest` is of its data under the salt that was given."""

    uid: str
    version: str
    type: str
    digest: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


def known(cluster: Cluster, namespace: str, name: str, salt: str = "") -> KnownSecret | None:
    """The Secret, or None where there is none. Its data leaves this function as a digest alone."""
    found = cluster.find(SECRETS, namespace, name)
    if found is None:
        return None
    meta = found["metadata"]
    data = json.dumps(found.get("data") or {}, sort_keys=True).encode()
    digest = hashlib.scrypt(data, salt=bytes.fromhex(salt), **_SCRYPT).hex() if salt else ""
    return KnownSecret(
        meta["uid"],
        meta["resourceVersion"],
        str(found.get("type") or "Opaque"),
        digest,
        dict(meta.get("labels") or {}),
        dict(meta.get("annotations") or {}),
    )


def new_salt() -> str:
    """A salt, in hex."""
    return token_hex(16)


def rotator_of(
    situation: Situation, cluster: str, namespace: str, name: str, secret: KnownSecret
) -> RotatorSettings | None:
    """The first rotator whose patterns and labels fit, or None."""
    here = (cluster, namespace, name)

    def fits(rotator: RotatorSettings) -> bool:
        by_name = any(all(map(fnmatchcase, here, p.split("/"))) for p in rotator.secrets)
        return by_name and rotator.labels.items() <= secret.labels.items()

    return next((r for r in settings_of(situation).rotators if fits(r)), None)


def ask(rotator: RotatorSettings, situation: Situation, target: Target) -> str:
    """Asks for another value, in words what was done. Asking again with the same key must be harmless, and the request
    says so. Raises UnreachableError or RefusedError where it was not taken."""
    if rotator.kind == "person":
        return f"{rotator.name} rotates it by hand"
    identity = {"cluster": target.cluster, "namespace": target.namespace, "secret": target.name, "uid": target.uid}
    body = {"incident": str(situation.incident), "rotator": rotator.name, **identity}
    content = json.dumps(body, sort_keys=True).encode()
    key = hashlib.sha256(content).hexdigest()[:32]
    headers = {"Content-Type": "application/json", "Idempotency-Key": f"patchgap-{key}"}
    service = Service(f"rotator {rotator.name}", rotator.url, rotator.token, rotator.timeout_seconds)
    situation.may_write()
    status = service.request("POST", rotator.url, headers=headers, content=content).status
    if status >= _FAILED:
        raise UnreachableError(f"rotator {rotator.name} answered {status}", "Run it again when it has recovered.")
    if status >= _OK:
        raise RefusedError(
            f"rotator {rotator.name} answered {status} for Secret {target.namespace}/{target.name}",
            "Look into its own log; the Secret was not rotated by patchgap.",
        )
    return f"rotator {rotator.name} was asked"
