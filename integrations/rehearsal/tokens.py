"""Authentication: bearer tokens of users and of service accounts.

Owns which token is who, and when a token stops being good; knows nothing of what its holder may do.
Service-account tokens are signed JWTs bound to the account's uid and, where asked, to a pod or a Secret.
"""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from collections.abc import Callable, Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from integrations.rehearsal.document import Json, dig
from integrations.rehearsal.rbac import User
from integrations.rehearsal.storage import Storage

AUDIENCE = "https://kubernetes.default.svc"
_LEGACY = "kubernetes/serviceaccount"
_CLAIM = "kubernetes.io/serviceaccount/"


def _pack(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unpack(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def account_user(namespace: str, name: str, uid: str = "", extra: Json | None = None) -> User:
    """The user that a service account is."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    pairs = tuple((key, tuple(values)) for key, values in sorted((extra or {}).items()))
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, pairs)


class Tokens:
    """Issues tokens and tells whose they are."""

    def __init__(self, storage: Storage, clock: Callable[[], float]) -> None:
        self._storage = storage
        self._clock = clock
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._id = _pack(sha256(secrets.token_bytes(16)).digest())
        self._users: dict[str, User] = {}

    def add_user(self, name: str, groups: Sequence[str] = ()) -> str:
        """A new bearer token for a user; an earlier one of the same name stays good."""
        token = secrets.token_urlsafe(24)
        self._users[token] = User(name, (*groups, "system:authenticated"))
        return token

    def bound(self, account: Json, seconds: int, audiences: list[str], reference: Json | None) -> str:
        """A token for a service account, good for `seconds`, bound to what `reference` names."""
        now = int(self._clock())
        metadata = account["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        claims: Json = {"namespace": namespace, "serviceaccount": {"name": name, "uid": metadata["uid"]}}
        if reference:
            claims[reference["kind"].lower()] = {"name": reference["name"], "uid": reference["uid"]}
        return self._sign(
            {
                "aud": audiences or [AUDIENCE],
                "exp": now + seconds,
                "iat": now,
                "iss": AUDIENCE,
                "jti": str(uuid.uuid4()),
                "kubernetes.io": claims,
                "nbf": now,
                "sub": f"system:serviceaccount:{namespace}:{name}",
            }
        )

    def long_lived(self, account: Json, secret: Json) -> str:
        """The token of a service-account-token Secret: good while both the Secret and the account are there."""
        metadata = account["metadata"]
        return self._sign(
            {
                "iss": _LEGACY,
                f"{_CLAIM}namespace": metadata["namespace"],
                f"{_CLAIM}secret.name": secret["metadata"]["name"],
                f"{_CLAIM}service-account.name": metadata["name"],
                f"{_CLAIM}service-account.uid": metadata["uid"],
                "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
            }
        )

    def authenticate(self, token: str, audiences: Sequence[str] = ()) -> User | None:
        """Whose token it is, or None where it is no one's (any more)."""
        user = self._users.get(token)
        if user is not None:
            return user
        claims = self._verified(token)
        if claims is None:
            return None
        if claims.get("iss") == _LEGACY:
            return self._legacy_user(claims, token)
        return self._bound_user(claims, audiences)

    def _sign(self, claims: Json) -> str:
        head = {"alg": "ES256", "kid": self._id}
        text = ".".join(_pack(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
        first, second = decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_pack(first.to_bytes(32, 'big') + second.to_bytes(32, 'big'))}"

    def _verified(self, token: str) -> Json | None:
        head, _, mark = token.rpartition(".")
        try:
            raw = _unpack(mark)
            signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
            self._key.public_key().verify(signature, head.encode(), ec.ECDSA(hashes.SHA256()))
            claims: Json = json.loads(_unpack(head.split(".")[1]))
        except (ValueError, IndexError, InvalidSignature):
            return None
        return claims

    def _account(self, namespace: str, name: str, uid: str) -> Json | None:
        account = self._storage.get("serviceaccounts", (namespace, name))
        return account if account is not None and account["metadata"]["uid"] == uid else None

    def _bound_user(self, claims: Json, audiences: Sequence[str]) -> User | None:
        about, now = claims["kubernetes.io"], self._clock()
        if not claims["nbf"] <= now < claims["exp"]:
            return None
        if not set(audiences or (AUDIENCE,)) & set(claims["aud"]):
            return None
        namespace, account = about["namespace"], about["serviceaccount"]
        if self._account(namespace, account["name"], account["uid"]) is None:
            return None
        extra: Json = {"authentication.kubernetes.io/credential-id": [f"JTI={claims['jti']}"]}
        for kind, plural in (("pod", "pods"), ("secret", "secrets")):
            bound = about.get(kind)
            if bound is None:
                continue
            live = self._storage.get(plural, (namespace, bound["name"]))
            if live is None or live["metadata"]["uid"] != bound["uid"]:
                return None
            if kind == "pod":
                extra["authentication.kubernetes.io/pod-name"] = [bound["name"]]
                extra["authentication.kubernetes.io/pod-uid"] = [bound["uid"]]
        return account_user(namespace, account["name"], account["uid"], extra)

    def _legacy_user(self, claims: Json, token: str) -> User | None:
        namespace, name = claims[f"{_CLAIM}namespace"], claims[f"{_CLAIM}service-account.name"]
        uid = claims[f"{_CLAIM}service-account.uid"]
        secret = self._storage.get("secrets", (namespace, claims[f"{_CLAIM}secret.name"]))
        if secret is None or secret["metadata"].get("deletionTimestamp"):
            return None
        held = base64.b64decode(dig(secret, "data", "token") or "").decode()
        if not secrets.compare_digest(held.encode(), token.encode()):
            return None
        return None if self._account(namespace, name, uid) is None else account_user(namespace, name, uid)
