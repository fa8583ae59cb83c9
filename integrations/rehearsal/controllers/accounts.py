"""What every namespace gets, and the tokens of service accounts.

Owns the `default` service account, `kube-root-ca.crt`, and service-account-token Secrets.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from integrations.rehearsal.controllers.work import Hands
from integrations.rehearsal.document import Json, dig
from integrations.rehearsal.machine import Machine
from integrations.rehearsal.storage import Change, Key

_NAME, _UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
_TOKEN = "kubernetes.io/service-account-token"  # noqa: S105 - a Secret's type, not a secret
_CA = "rehearsal: served over plain HTTP on loopback, there is no certificate authority\n"


class NamespaceDefaults:
    """Gives every namespace its service account and root certificate."""

    def __init__(self, machine: Machine) -> None:
        self._accounts = Hands(machine, "service-account-controller")
        self._roots = Hands(machine, "root-ca-cert-publisher")

    def keys(self, change: Change) -> Iterable[str]:
        """New namespaces, and those that lost one of the two."""
        if change.resource == "namespaces":
            yield change.key[1]
        elif change.resource in ("serviceaccounts", "configmaps") and change.new is None:
            yield change.key[0]

    def sync(self, key: str) -> float | None:
        """Create what is missing in a namespace that is not on its way out."""
        namespace = self._accounts.get("namespaces", ("", key))
        if namespace is None or namespace["metadata"].get("deletionTimestamp"):
            return None
        if self._accounts.get("serviceaccounts", (key, "default")) is None:
            self._accounts.create("serviceaccounts", key, {"metadata": {"name": "default"}})
        if self._roots.get("configmaps", (key, "kube-root-ca.crt")) is None:
            document = {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": _CA}}
            self._roots.create("configmaps", key, document)
        return None


class TokenSecrets:
    """Fills service-account-token Secrets, and deletes those whose account is gone."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._hands = Hands(machine, "tokens-controller")

    def keys(self, change: Change) -> Iterable[Key]:
        """Token Secrets, and those of a changed account."""
        if change.resource == "secrets" and change.new is not None and change.new.get("type") == _TOKEN:
            yield change.key
        elif change.resource == "serviceaccounts":
            for secret in self._hands.storage.all("secrets", change.key[0]):
                annotations = secret["metadata"].get("annotations") or {}
                if secret.get("type") == _TOKEN and annotations.get(_NAME) == change.key[1]:
                    yield (change.key[0], secret["metadata"]["name"])

    def sync(self, key: Key) -> float | None:
        """Fill one Secret, or delete it."""
        secret = self._hands.get("secrets", key)
        if secret is None or secret.get("type") != _TOKEN:
            return None
        annotations = secret["metadata"].get("annotations") or {}
        account = self._hands.get("serviceaccounts", (key[0], annotations.get(_NAME, "")))
        if account is None or annotations.get(_UID, account["metadata"]["uid"]) != account["metadata"]["uid"]:
            self._hands.delete("secrets", secret)
        elif not dig(secret, "data", "token"):
            self._fill(secret, account)
        return None

    def _fill(self, secret: Json, account: Json) -> None:
        token = self._machine.tokens.long_lived(account, secret)
        values = {"ca.crt": _CA, "namespace": account["metadata"]["namespace"], "token": token}
        data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}

        def edit(one: Json) -> None:
            one["data"] = {**(one.get("data") or {}), **data}
            one["metadata"].setdefault("annotations", {})[_UID] = account["metadata"]["uid"]

        self._hands.edit("secrets", secret, edit)
