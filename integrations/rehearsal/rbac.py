"""Authorization: who may do what, by Role, ClusterRole and their bindings.

Owns rule matching, the predefined roles and the escalation check; knows nothing of requests' bodies.
Rules follow Kubernetes' RBAC authorizer (k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from integrations.rehearsal.document import Json
from integrations.rehearsal.selectors import from_document
from integrations.rehearsal.storage import Storage

MASTERS = "system:masters"
_GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class User:
    """Who asks, as authentication found it."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def info(self) -> Json:
        """The user as `userInfo` documents write it."""
        document: Json = {"username": self.name}
        if self.uid:
            document["uid"] = self.uid
        document["groups"] = list(self.groups)
        if self.extra:
            document["extra"] = {key: list(values) for key, values in self.extra}
        return document


@dataclass(frozen=True)
class Attributes:
    """What is asked: a verb on a resource (or a path, where `path` is set)."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def combined(self) -> str:
        """The resource with its subresource."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    def refusal(self, user: User) -> str:
        """Why it was refused, as the server words it."""
        if self.path:
            return f'User "{user.name}" cannot {self.verb} path "{self.path}"'
        where = f' in the namespace "{self.namespace}"' if self.namespace else " at the cluster scope"
        return f'User "{user.name}" cannot {self.verb} resource "{self.combined}" in API group "{self.group}"{where}'


@dataclass(frozen=True)
class Verdict:
    """Whether it is allowed, and why where a binding allows it."""

    allowed: bool
    reason: str = ""


def _matches(wanted: str, listed: list[str]) -> bool:
    return "*" in listed or wanted in listed


def _resource_matches(asked: Attributes, listed: list[str]) -> bool:
    if "*" in listed or asked.combined in listed:
        return True
    return bool(asked.subresource) and f"*/{asked.subresource}" in listed


def _path_matches(path: str, listed: list[str]) -> bool:
    return any(path == url or (url.endswith("*") and path.startswith(url[:-1])) for url in listed)


def rule_allows(rule: Json, asked: Attributes) -> bool:
    """Whether one policy rule allows what is asked."""
    if not _matches(asked.verb, rule.get("verbs") or []):
        return False
    if asked.path:
        return _path_matches(asked.path, rule.get("nonResourceURLs") or [])
    names = rule.get("resourceNames") or []
    return (
        _matches(asked.group, rule.get("apiGroups") or [])
        and _resource_matches(asked, rule.get("resources") or [])
        and (not names or asked.name in names)
    )


def _subject_matches(subject: Json, user: User, binding_namespace: str) -> bool:
    name = subject["name"]
    if subject["kind"] == "User":
        return bool(name == user.name)
    if subject["kind"] == "Group":
        return name in user.groups
    namespace = subject.get("namespace") or binding_namespace
    return user.name == f"system:serviceaccount:{namespace}:{name}"


@dataclass(frozen=True)
class Grant:
    """A rule that a binding gives a user, with the words for it."""

    rule: Json
    reason: str


def _subject_words(subject: Json) -> str:
    if subject["kind"] == "ServiceAccount":
        return f'ServiceAccount "{subject["name"]}/{subject.get("namespace", "")}"'
    return f'{subject["kind"]} "{subject["name"]}"'


class Authorizer:
    """Answers from the roles and bindings in storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def grants(self, user: User, namespace: str) -> Iterator[Grant]:
        """Every rule that the user has cluster-wide, then in the namespace."""
        for binding in self._storage.all(f"clusterrolebindings.{_GROUP}"):
            yield from self._of(binding, user, f'ClusterRoleBinding "{binding["metadata"]["name"]}"')
        if namespace:
            for binding in self._storage.all(f"rolebindings.{_GROUP}", namespace):
                words = f'RoleBinding "{binding["metadata"]["name"]}/{namespace}"'
                yield from self._of(binding, user, words)

    def _of(self, binding: Json, user: User, words: str) -> Iterator[Grant]:
        namespace = binding["metadata"].get("namespace", "")
        subjects = binding.get("subjects") or ()
        subject = next((s for s in subjects if _subject_matches(s, user, namespace)), None)
        if subject is None:
            return
        reference = binding["roleRef"]
        reason = f'RBAC: allowed by {words} of {reference["kind"]} "{reference["name"]}" to {_subject_words(subject)}'
        for rule in self.rules_of(reference, namespace):
            yield Grant(rule, reason)

    def rules_of(self, reference: Json, namespace: str) -> list[Json]:
        """The rules of a role reference; none where the role is not there."""
        if reference["kind"] == "ClusterRole":
            role = self._storage.get(f"clusterroles.{_GROUP}", ("", reference["name"]))
        else:
            role = self._storage.get(f"roles.{_GROUP}", (namespace, reference["name"]))
        return list((role or {}).get("rules") or ())

    def decide(self, user: User, asked: Attributes) -> Verdict:
        """Whether the user may do it."""
        if MASTERS in user.groups:
            return Verdict(allowed=True)
        for grant in self.grants(user, asked.namespace):
            if rule_allows(grant.rule, asked):
                return Verdict(allowed=True, reason=grant.reason)
        return Verdict(allowed=False)

    def not_held(self, user: User, rules: list[Json], namespace: str) -> list[Json]:
        """The single permissions of `rules` that the user does not have."""
        if MASTERS in user.groups:
            return []
        held = [grant.rule for grant in self.grants(user, namespace)]
        return [one for rule in rules for one in _single(rule) if not any(_covers(h, one) for h in held)]


def _single(rule: Json) -> Iterator[Json]:
    for verb in rule.get("verbs") or ():
        for url in rule.get("nonResourceURLs") or ():
            yield {"verbs": [verb], "nonResourceURLs": [url]}
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or [None]:
                    one: Json = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
                    yield one | ({"resourceNames": [name]} if name else {})


def _covers(held: Json, one: Json) -> bool:
    if not _matches(one["verbs"][0], held.get("verbs") or []):
        return False
    if "nonResourceURLs" in one:
        return _path_matches(one["nonResourceURLs"][0], held.get("nonResourceURLs") or [])
    names = held.get("resourceNames") or []
    resource, _, subresource = one["resources"][0].partition("/")
    asked = Attributes("", resource=resource, subresource=subresource)
    return (
        _matches(one["apiGroups"][0], held.get("apiGroups") or [])
        and _resource_matches(asked, held.get("resources") or [])
        and (not names or one.get("resourceNames", [""])[0] in names)
    )


def compact_rule(rule: Json) -> str:
    """A rule as the escalation refusal prints it."""
    names = (
        ("APIGroups", "apiGroups"),
        ("Resources", "resources"),
        ("ResourceNames", "resourceNames"),
        ("NonResourceURLs", "nonResourceURLs"),
        ("Verbs", "verbs"),
    )
    return "{" + ", ".join(f"{shown}:{json.dumps(rule[key])}" for shown, key in names if rule.get(key)) + "}"


def aggregate(storage: Storage, role: Json) -> list[Json]:
    """The rules of an aggregated ClusterRole: those of every role that its selectors pick."""
    rules: list[Json] = []
    for selector in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
        chosen = from_document(selector)
        for other in storage.all(f"clusterroles.{_GROUP}"):
            if other["metadata"]["name"] != role["metadata"]["name"] and chosen.matches(
                other["metadata"].get("labels")
            ):
                rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules


@cache
def _system() -> dict[str, list[Json]]:
    text = files("integrations.rehearsal").joinpath("data/system_roles.json").read_text()
    loaded: dict[str, list[Json]] = json.loads(text)
    return loaded


def system_objects() -> Iterator[tuple[str, Json]]:
    """The predefined bindings and roles, as (kind, document), in an order in which each is allowed what it needs."""
    for binding in _system()["bindings"]:
        reference = {"apiGroup": _GROUP, "kind": "ClusterRole", "name": binding["role"]}
        metadata: Json = {"name": binding["name"], "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}
        yield "ClusterRoleBinding", {"metadata": metadata, "roleRef": reference, "subjects": binding["subjects"]}
    for role in sorted(_system()["roles"], key=lambda one: "aggregate" in one):
        document: Json = {
            "metadata": {"name": role["name"], "labels": dict(role["labels"])},
            "rules": role.get("rules"),
        }
        if "aggregate" in role:
            selectors = [{"matchLabels": {label: "true"}} for label in role["aggregate"]]
            document["aggregationRule"] = {"clusterRoleSelectors": selectors}
        yield "ClusterRole", document
