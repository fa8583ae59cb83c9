"""Admission policies on the rehearsal cluster are evaluated as a real server does."""

from __future__ import annotations

import pytest
from calls import Caller, Json, image, workload

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
EVERYTHING = [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]


def write(admin: Caller, spec: Json, binding: Json | None = None, rules: list[Json] | None = None) -> None:
    """Write a policy `p` and bind it."""
    document = {"metadata": {"name": "p"}, "spec": {"matchConstraints": {"resourceRules": rules or EVERYTHING}, **spec}}
    answer = admin.http.post(POLICIES, json=document)
    assert answer.status_code == 201, answer.text
    bound = {"policyName": "p", "validationActions": ["Deny"], **(binding or {})}
    admin.http.post(BINDINGS, json={"metadata": {"name": "b"}, "spec": bound}).raise_for_status()


def config(name: str, **data: str) -> Json:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def refusal(admin: Caller, name: str = "c", **data: str) -> str:
    """The words of the refusal of a ConfigMap, or an empty string."""
    answer = admin.create("configmaps", config(name, **data), dryRun="All")
    return "" if answer.status_code == 201 else str(answer.json()["message"])


DENIED = "configmaps \"c\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: "


@pytest.mark.parametrize(
    ("validation", "words"),
    [
        ({"expression": "false"}, "failed expression: false"),
        ({"expression": "false", "message": "no"}, "no"),
        ({"expression": "false", "message": "no", "messageExpression": "'not ' + object.metadata.name"}, "not c"),
        (
            {"expression": "object.data.missing == 'x'"},
            "expression 'object.data.missing == 'x'' resulted in error: no such key: missing",
        ),
        ({"expression": "oldObject == null && request.operation == 'CREATE'"}, ""),
        ({"expression": "request.userInfo.username == 'admin' && 'system:masters' in request.userInfo.groups"}, ""),
        ({"expression": "namespaceObject.metadata.labels['environment'] == 'prod' && request.dryRun"}, ""),
        ({"expression": "'a,b'.split(',').exists(one, one == 'b') && 'AB'.lowerAscii() == 'ab'"}, ""),
    ],
)
def test_a_validation_decides_and_its_message_is_given(admin: Caller, validation: Json, words: str) -> None:
    """A false or failing expression refuses in the server's words; a true one admits."""
    write(admin, {"validations": [validation]})
    assert refusal(admin, k="v") == (DENIED + words if words else "")


def test_variables_may_lean_on_earlier_ones(admin: Caller) -> None:
    """Variables are chained, and one that is not asked for is not evaluated."""
    variables = [
        {"name": "broken", "expression": "object.no.such.field"},
        {"name": "size", "expression": "size(object.data)"},
        {"name": "many", "expression": "variables.size > 1"},
    ]
    write(admin, {"variables": variables, "validations": [{"expression": "!variables.many", "message": "many"}]})
    assert refusal(admin, a="1") == ""
    assert refusal(admin, a="1", b="2") == f"{DENIED}many"


def test_conditions_and_selectors_narrow_a_policy(admin: Caller) -> None:
    """A write outside the match conditions or the binding's namespaces is not judged."""
    spec = {
        "matchConditions": [{"name": "named", "expression": "object.metadata.name != 'free'"}],
        "validations": [{"expression": "false", "message": "no"}],
    }
    write(admin, spec, {"matchResources": {"namespaceSelector": {"matchLabels": {"environment": "prod"}}}})
    assert refusal(admin, "free") == ""
    assert refusal(admin, "c") == f"{DENIED}no"
    elsewhere = admin.http.post("/api/v1/namespaces/default/configmaps?dryRun=All", json=config("c"))
    assert elsewhere.status_code == 201


@pytest.mark.parametrize(("action", "refused"), [("Deny", True), ("Allow", False)])
def test_missing_parameters_deny_or_allow(admin: Caller, action: str, refused: bool) -> None:
    """A binding whose parameters are gone does what its parameterNotFoundAction says."""
    reference = {"name": "gone", "namespace": "work", "parameterNotFoundAction": action}
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    write(admin, {"paramKind": kind, "validations": [{"expression": "false"}]}, {"paramRef": reference})
    assert (refusal(admin) != "") is refused


def test_parameters_are_read_live(admin: Caller) -> None:
    """A change of the parameter's ConfigMap changes the next decision."""
    admin.create("configmaps", config("params", blocked="x")).raise_for_status()
    reference = {"name": "params", "namespace": "work", "parameterNotFoundAction": "Deny"}
    expression = {"expression": "!has(object.data.v) || object.data.v != params.data.blocked", "message": "blocked"}
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    write(admin, {"paramKind": kind, "validations": [expression]}, {"paramRef": reference})
    assert refusal(admin, v="x") == f"{DENIED}blocked"
    admin.patch("configmaps", "params", {"data": {"blocked": "y"}}).raise_for_status()
    assert refusal(admin, v="x") == ""


def test_what_controllers_create_is_judged_too(admin: Caller) -> None:
    """A ReplicaSet's refused pod shows in its status and its events, and is made once the policy is gone."""
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    expression = "request.userInfo.username != 'system:serviceaccount:kube-system:replicaset-controller'"
    write(admin, {"validations": [{"expression": expression, "message": "no pods"}]}, rules=rules)
    admin.create("deployments", workload("Deployment", "web", replicas=1)).raise_for_status()
    admin.settle()
    condition = admin.list("replicasets")[0]["status"]["conditions"][0]
    assert (condition["type"], condition["reason"]) == ("ReplicaFailure", "FailedCreate")
    assert any(event["reason"] == "FailedCreate" and "no pods" in event["message"] for event in admin.list("events"))
    admin.http.delete(f"{BINDINGS}/b").raise_for_status()
    query = {"watch": "1", "timeoutSeconds": "5", "labelSelector": "app=web"}
    with admin.http.stream("GET", admin.path("pods"), params=query) as stream:
        assert "ADDED" in next(stream.iter_lines())


def test_a_policy_on_scale_and_eviction_is_judged_on_the_subresource(admin: Caller) -> None:
    """Rules name subresources, and the object is then the subresource's."""
    admin.create("deployments", workload("Deployment", "web", replicas=1)).raise_for_status()
    admin.settle()
    rules = [
        {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments/scale"]},
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods/eviction"]},
    ]
    expression = "object.kind == 'Scale' ? object.spec.replicas < 3 : false"
    write(admin, {"validations": [{"expression": expression, "message": "held"}]}, rules=rules)
    scale = {"spec": {"replicas": 5}}
    assert admin.patch("deployments", "web/scale", scale).status_code == 422
    pod = admin.list("pods")[0]["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    assert admin.http.post(f"{admin.path('pods', pod)}/eviction", json=eviction).status_code == 422
    assert admin.patch("deployments", "web", scale).status_code == 200


@pytest.mark.parametrize(
    "expression",
    ["object.?spec.hasValue()", "authorizer.group('apps').allowed()", "object.x.url()", "quantity('1').isInteger()"],
)
def test_cel_that_is_not_here_is_said_to_be_missing(admin: Caller, expression: str) -> None:
    """An expression that a real server could read and this one cannot is 501, never judged."""
    document = {
        "metadata": {"name": "p"},
        "spec": {"matchConstraints": {"resourceRules": EVERYTHING}, "validations": [{"expression": expression}]},
    }
    assert admin.http.post(POLICIES, json=document).status_code == 501


def test_a_misspelt_variable_does_not_compile(admin: Caller) -> None:
    """An undeclared name is found when the policy is written, with its place."""
    validations = [{"expression": "objct.spec.replicas > 1"}]
    document = {
        "metadata": {"name": "p"},
        "spec": {"matchConstraints": {"resourceRules": EVERYTHING}, "validations": validations},
    }
    answer = admin.http.post(POLICIES, json=document)
    assert answer.status_code == 422
    assert "undeclared reference to 'objct'" in answer.json()["message"]


def test_a_blocked_image_is_refused_in_a_dry_run(admin: Caller) -> None:
    """A server-side dry run goes through admission."""
    expression = f"object.spec.template.spec.containers.all(c, c.image != '{image('d')}')"
    rules = [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}]
    write(admin, {"validations": [{"expression": expression, "reason": "Forbidden"}]}, rules=rules)
    answer = admin.create("deployments", workload("Deployment", "web", image("d")), dryRun="All")
    assert (answer.status_code, answer.json()["reason"]) == (403, "Forbidden")
