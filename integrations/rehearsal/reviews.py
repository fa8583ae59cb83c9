"""The review kinds: who am I, may I, may they, what may I, and whose token is this.

Owns their documents; decisions are the authorizer's and the tokens'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from integrations.rehearsal.apply import Manager, track_update
from integrations.rehearsal.call import Call, World
from integrations.rehearsal.document import Json
from integrations.rehearsal.rbac import MASTERS, Attributes, Authorizer, User, Verdict
from integrations.rehearsal.resources import Resource
from integrations.rehearsal.schema import type_of
from integrations.rehearsal.status import Cause, bad_request, invalid
from integrations.rehearsal.tokens import Tokens


def _attributes(spec: Json, namespace: str = "") -> Attributes:
    path = spec.get("nonResourceAttributes")
    if path is not None:
        return Attributes(verb=path.get("verb", ""), path=path.get("path", ""))
    asked = spec.get("resourceAttributes") or {}
    return Attributes(
        asked.get("verb", ""),
        asked.get("group", ""),
        asked.get("resource", ""),
        asked.get("subresource", ""),
        asked.get("namespace", namespace),
        asked.get("name", ""),
    )


def _status(verdict: Verdict) -> Json:
    status: Json = {"allowed": verdict.allowed}
    return status | ({"reason": verdict.reason} if verdict.reason else {})


@dataclass(frozen=True)
class Reviews:
    """Answers the review kinds; nothing is stored."""

    authorizer: Authorizer
    tokens: Tokens
    world: World

    def answer(self, call: Call, resource: Resource, namespace: str, body: Json) -> Json:
        """The review with its status."""
        answers: dict[str, Callable[[Call, Resource, str, Json], Json]] = {
            "LocalSubjectAccessReview": self._access,
            "SelfSubjectAccessReview": self._self_access,
            "SelfSubjectReview": self._self,
            "SelfSubjectRulesReview": self._rules,
            "SubjectAccessReview": self._access,
            "TokenReview": self._token,
        }
        return answers[resource.kind](call, resource, namespace, body)

    def _document(self, call: Call, resource: Resource, spec: Json, status: Json) -> Json:
        document: Json = {
            "kind": resource.kind,
            "apiVersion": resource.group_version,
            "metadata": {},
            "spec": spec,
        }
        kind = type_of(resource.group, resource.version, resource.kind)
        if kind is not None:
            manager = Manager(call.manager, "Update", resource.group_version)
            track_update(None, document, kind, manager, self.world.now())
        return document | {"status": status}

    def _self(self, call: Call, resource: Resource, namespace: str, body: Json) -> Json:
        del namespace, body
        metadata = {"creationTimestamp": self.world.now()}
        status = {"userInfo": call.user.info()}
        return {"kind": resource.kind, "apiVersion": resource.group_version, "metadata": metadata, "status": status}

    def _self_access(self, call: Call, resource: Resource, namespace: str, body: Json) -> Json:
        del namespace
        spec = body.get("spec") or {}
        self._one_of(resource, spec)
        verdict = self.authorizer.decide(call.user, _attributes(spec))
        return self._document(call, resource, spec, _status(verdict))

    def _access(self, call: Call, resource: Resource, namespace: str, body: Json) -> Json:
        spec = body.get("spec") or {}
        self._one_of(resource, spec)
        if not spec.get("user") and not spec.get("groups"):
            words = "Required value: at least one of user or group must be specified"
            raise invalid(resource.target(), [Cause("FieldValueRequired", words, "spec.user")])
        asked = _attributes(spec, namespace)
        if resource.kind.startswith("Local") and asked.namespace != namespace:
            message = f"spec.resourceAttributes.namespace must match namespace: {namespace}"
            raise bad_request(message)
        user = User(spec.get("user", ""), tuple(spec.get("groups") or ()))
        return self._document(call, resource, spec, _status(self.authorizer.decide(user, asked)))

    def _one_of(self, resource: Resource, spec: Json) -> None:
        if (spec.get("resourceAttributes") is None) == (spec.get("nonResourceAttributes") is None):
            words = "Invalid value: exactly one of nonResourceAttributes or resourceAttributes must be specified"
            raise invalid(resource.target(), [Cause("FieldValueInvalid", words, "spec.resourceAttributes")])

    def _rules(self, call: Call, resource: Resource, namespace: str, body: Json) -> Json:
        del namespace
        asked = (body.get("spec") or {}).get("namespace")
        if not asked:
            message = "no namespace on request"
            raise bad_request(message)
        rules = [grant.rule for grant in self.authorizer.grants(call.user, asked)]
        if MASTERS in call.user.groups:
            everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
            rules = [everything, {"verbs": ["*"], "nonResourceURLs": ["*"]}, *rules]
        names = ("verbs", "apiGroups", "resources", "resourceNames")
        status = {
            "resourceRules": [
                {key: rule[key] for key in names if rule.get(key)} for rule in rules if rule.get("resources")
            ],
            "nonResourceRules": [
                {"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]}
                for rule in rules
                if rule.get("nonResourceURLs")
            ],
            "incomplete": False,
        }
        return {
            "kind": resource.kind,
            "apiVersion": resource.group_version,
            "metadata": {},
            "spec": {},
            "status": status,
        }

    def _token(self, call: Call, resource: Resource, namespace: str, body: Json) -> Json:
        del namespace, call
        spec = body.get("spec") or {}
        if not spec.get("token"):
            message = "token is required for TokenReview in authentication"
            raise bad_request(message)
        user = self.tokens.authenticate(spec["token"], spec.get("audiences") or ())
        status: Json = {"user": {}, "error": "invalid bearer token"}
        if user is not None:
            status = {"authenticated": True, "user": user.info(), "audiences": spec.get("audiences") or []}
            if not status["audiences"]:
                status["audiences"] = ["https://kubernetes.default.svc"]
        return {
            "kind": resource.kind,
            "apiVersion": resource.group_version,
            "metadata": {},
            "spec": spec,
            "status": status,
        }
