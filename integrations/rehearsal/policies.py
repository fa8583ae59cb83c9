"""Validating admission policies: which apply to a write, and what they say of it.

Owns matching, parameters, and the words of a denial; expressions are `expressions`' part.
The rules follow k8s.io/apiserver/pkg/admission/plugin/policy/validating.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.rehearsal import expressions
from integrations.rehearsal.call import Call, World
from integrations.rehearsal.document import Json, dig
from integrations.rehearsal.resources import BY_KIND, Resource
from integrations.rehearsal.selectors import from_document
from integrations.rehearsal.status import ApiError, Cause, forbidden, invalid, not_implemented
from integrations.rehearsal.storage import Storage
from integrations.rehearsal.validation import quoted

_GROUP = "admissionregistration.k8s.io"
POLICIES = f"validatingadmissionpolicies.{_GROUP}"
BINDINGS = f"validatingadmissionpolicybindings.{_GROUP}"
_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}
_NO_PARAMS = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"


@dataclass(frozen=True)
class Write:
    """One write under admission."""

    call: Call
    resource: Resource
    subresource: str
    operation: str
    new: Json | None
    old: Json | None
    namespace: Json | None

    @property
    def subject(self) -> Json:
        """The object, or on a deletion the old one."""
        return self.new if self.new is not None else self.old or {}

    @property
    def name(self) -> str:
        """The object's name."""
        return str(dig(self.subject, "metadata", "name") or "")

    def request(self) -> Json:
        """The `request` variable."""
        kind = {"group": self.resource.group, "version": self.resource.version, "kind": self._kind()}
        resource = {"group": self.resource.group, "version": self.resource.version, "resource": self.resource.plural}
        return {
            "kind": kind,
            "resource": resource,
            "subResource": self.subresource,
            "requestKind": kind,
            "requestResource": resource,
            "requestSubResource": self.subresource,
            "name": self.name,
            "namespace": str(dig(self.subject, "metadata", "namespace") or ""),
            "operation": self.operation,
            "userInfo": self.call.user.info(),
            "dryRun": self.call.dry_run,
        }

    def _kind(self) -> str:
        return str(self.subject.get("kind") or self.resource.kind)


def _rule_matches(rule: Json, write: Write) -> bool:
    operations, groups, versions = rule.get("operations"), rule.get("apiGroups"), rule.get("apiVersions")
    names, scope = rule.get("resourceNames") or (), rule.get("scope", "*")
    scoped = "Namespaced" if write.resource.namespaced else "Cluster"
    return (
        _listed(operations, write.operation)
        and _listed(groups, write.resource.group)
        and _listed(versions, write.resource.version)
        and _covers(rule.get("resources") or (), write)
        and (not names or write.name in names)
        and scope in ("*", scoped)
    )


def _listed(listed: Any, value: str) -> bool:
    return bool(listed) and ("*" in listed or value in listed)


def _covers(listed: Any, write: Write) -> bool:
    plural, sub = write.resource.plural, write.subresource
    if not sub:
        return any(one in ("*", "*/*", plural) for one in listed)
    return any(one in ("*/*", f"*/{sub}", f"{plural}/*", f"{plural}/{sub}") for one in listed)


def _matches(match: Json | None, write: Write, *, by_default: bool) -> bool:
    """Whether match constraints (or match resources) cover a write."""
    if match is None:
        return by_default
    labels = [dig(document, "metadata", "labels") for document in (write.new, write.old) if document is not None]
    chosen = from_document(match.get("objectSelector"))
    if not any(chosen.matches(one) for one in labels):
        return False
    if write.namespace is not None:
        selected = from_document(match.get("namespaceSelector"))
        if not selected.matches(write.namespace["metadata"].get("labels")):
            return False
    if any(_rule_matches(rule, write) for rule in match.get("excludeResourceRules") or ()):
        return False
    rules = match.get("resourceRules")
    return by_default if not rules else any(_rule_matches(rule, write) for rule in rules)


@dataclass(frozen=True)
class Decision:
    """A refusal by one validation: its words and the status reason."""

    message: str
    reason: str = "Invalid"


class Evaluation:
    """One policy over one write with one parameter: the CEL values, made when first needed."""

    def __init__(self, policy: Json, shared: dict[str, Any], params: Json | None) -> None:
        self._spec = policy["spec"]
        compute = {
            variable["name"]: lambda source=variable["expression"]: expressions.evaluate(source, self._values)
            for variable in self._spec.get("variables") or ()
        }
        self._values: Mapping[str, Any] = {
            **shared,
            "params": expressions.to_cel(params),
            "variables": expressions.lazy_map(compute),
        }

    def conditions_hold(self) -> bool:
        """Whether every match condition is true; raises EvaluationError."""
        conditions = self._spec.get("matchConditions") or ()
        return all(bool(expressions.evaluate(one["expression"], self._values)) for one in conditions)

    def decisions(self) -> Iterator[Decision]:
        """The validations that refuse."""
        for validation in self._spec.get("validations") or ():
            source = validation["expression"]
            try:
                result = expressions.evaluate(source, self._values)
            except expressions.EvaluationError as failure:
                if self._spec.get("failurePolicy") != "Ignore":
                    yield Decision(f"expression '{source}' resulted in error: {failure}")
                continue
            if not bool(result):
                yield Decision(self._message(validation), validation.get("reason") or "Invalid")

    def _message(self, validation: Json) -> str:
        source = validation.get("messageExpression")
        if source:
            try:
                words = str(expressions.evaluate(source, self._values)).strip()
            except expressions.EvaluationError:
                words = ""  # as the server does: a failing message expression falls back to the message
            if words and "\n" not in words:
                return words
        message = str(validation.get("message") or "").strip()
        return message or f"failed expression: {validation['expression'].strip()}"


class StoredPolicies:
    """The policies and bindings in storage."""

    def __init__(self, storage: Storage, world: World) -> None:
        self._storage = storage
        self._world = world

    def compile(self, policy: Json) -> None:
        """Raise ApiError 422 naming each expression that does not compile."""
        causes: list[Cause] = []
        for path, source in _sources(policy.get("spec") or {}):
            try:
                expressions.compiled(source)
            except expressions.CompileError as failure:
                message = f"Invalid value: {quoted(source)}: compilation failed: {failure}"
                causes.append(Cause("FieldValueInvalid", message, path))
        if causes:
            target = Resource(_GROUP, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy").target
            raise invalid(target(policy["metadata"]["name"]), causes)

    def check(
        self, call: Call, resource: Resource, subresource: str, operation: str, new: Json | None, old: Json | None
    ) -> None:
        """Raise ApiError where a bound policy denies the write."""
        if resource.key in (POLICIES, BINDINGS):
            return
        bindings = self._storage.all(BINDINGS)
        if not bindings:
            return
        write = Write(call, resource, subresource, operation, new, old, self._namespace(resource, new, old))
        shared: dict[str, Any] = {}
        for binding in bindings:
            policy = self._storage.get(POLICIES, ("", binding["spec"]["policyName"]))
            if policy is not None and self._applies(policy, binding, write):
                self._judge(policy, binding, write, shared)

    def _namespace(self, resource: Resource, new: Json | None, old: Json | None) -> Json | None:
        subject = new if new is not None else old or {}
        if resource.kind == "Namespace":
            return subject
        name = dig(subject, "metadata", "namespace")
        return self._storage.get("namespaces", ("", name)) if resource.namespaced and name else None

    def _applies(self, policy: Json, binding: Json, write: Write) -> bool:
        if policy["metadata"].get("deletionTimestamp"):
            return False
        return _matches(policy["spec"].get("matchConstraints"), write, by_default=False) and _matches(
            binding["spec"].get("matchResources"), write, by_default=True
        )

    def _judge(self, policy: Json, binding: Json, write: Write, shared: dict[str, Any]) -> None:
        if not shared:
            shared.update(
                {
                    "object": expressions.to_cel(write.new),
                    "oldObject": expressions.to_cel(write.old),
                    "request": expressions.to_cel(write.request()),
                    "namespaceObject": expressions.to_cel(write.namespace),
                    "authorizer": None,
                }
            )
        fails = policy["spec"].get("failurePolicy") != "Ignore"
        found = self._params(policy, binding, write)
        if found is None:
            if fails:
                self._act(policy, binding, write, Decision(_NO_PARAMS))
            return
        for params in found:
            evaluation = Evaluation(policy, shared, params)
            try:
                holds = evaluation.conditions_hold()
            except expressions.EvaluationError as failure:
                if fails:
                    self._act(policy, binding, write, Decision(f"match condition resulted in error: {failure}"))
                continue
            for decision in evaluation.decisions() if holds else ():
                self._act(policy, binding, write, decision)

    def _params(self, policy: Json, binding: Json, write: Write) -> list[Json | None] | None:
        """The parameters to evaluate with; [None] where the policy takes none, None where they are missing."""
        kind, reference = policy["spec"].get("paramKind"), binding["spec"].get("paramRef")
        if kind is None or reference is None:
            return [None]
        group, _, version = kind["apiVersion"].rpartition("/")
        resource = BY_KIND.get((group, version, kind["kind"]))
        if resource is None:
            raise not_implemented(f"policy parameters of kind {kind['apiVersion']} {kind['kind']}")
        namespace = reference.get("namespace") or str(dig(write.subject, "metadata", "namespace") or "")
        stored = self._storage.all(resource.key, namespace if resource.namespaced else "")
        if reference.get("name"):
            found = [one for one in stored if one["metadata"]["name"] == reference["name"]]
        else:
            chosen = from_document(reference.get("selector"))
            found = [one for one in stored if chosen.matches(one["metadata"].get("labels"))]
        if found:
            return list(found)
        return None if reference.get("parameterNotFoundAction") == "Deny" else []

    def _act(self, policy: Json, binding: Json, write: Write, decision: Decision) -> None:
        names = f"ValidatingAdmissionPolicy '{policy['metadata']['name']}' with binding '{binding['metadata']['name']}'"
        actions = binding["spec"].get("validationActions") or ()
        if "Warn" in actions:
            write.call.warnings.append(f"Validation failed for {names}: {decision.message}")
        if "Deny" in actions:
            raise _denial(write, f"{names} denied request: {decision.message}", decision.reason)


def _denial(write: Write, words: str, reason: str) -> ApiError:
    refusal = forbidden(write.resource.target(write.name), words, [{"message": words}])
    return ApiError(_CODES.get(reason, 422), reason, refusal.message, refusal.details)


def _sources(spec: Json) -> Iterator[tuple[str, str]]:
    """Every expression of a policy with its path."""
    for place, one in enumerate(spec.get("matchConditions") or ()):
        yield f"spec.matchConditions[{place}].expression", one["expression"]
    for place, one in enumerate(spec.get("variables") or ()):
        yield f"spec.variables[{place}].expression", one["expression"]
    for place, one in enumerate(spec.get("validations") or ()):
        yield f"spec.validations[{place}].expression", one["expression"]
        if one.get("messageExpression"):
            yield f"spec.validations[{place}].messageExpression", one["messageExpression"]
    for place, one in enumerate(spec.get("auditAnnotations") or ()):
        yield f"spec.auditAnnotations[{place}].valueExpression", one["valueExpression"]
