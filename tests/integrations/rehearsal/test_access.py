"""Who may do what on the rehearsal cluster, and how long a token is good."""

from __future__ import annotations

import base64
import ssl
import stat
from pathlib import Path

import httpx
import pytest
from calls import Caller, Json, image, secret_token

from integrations.rehearsal import RehearsalCluster

RBAC = "rbac.authorization.k8s.io"


def bind(admin: Caller, subject: Json, rules: list[Json]) -> None:
    """Give a subject rules in the namespace `work`."""
    admin.create("roles", {"metadata": {"name": "given"}, "rules": rules}).raise_for_status()
    reference = {"apiGroup": RBAC, "kind": "Role", "name": "given"}
    document = {"metadata": {"name": "given"}, "roleRef": reference, "subjects": [subject]}
    admin.create("rolebindings", document).raise_for_status()


def account_caller(admin: Caller, name: str, spec: Json | None = None) -> Caller:
    """A service account's calls, by a bound token."""
    answer = admin.http.post(f"{admin.path('serviceaccounts', name)}/token", json={"spec": spec or {}})
    return Caller(admin.cluster, answer.raise_for_status().json()["status"]["token"])


def test_a_user_may_only_what_is_bound(admin: Caller) -> None:
    """A role's verbs, resources, subresources and names hold, and nothing beyond."""
    user = Caller(admin.cluster, admin.cluster.add_user("jo"))
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["one"], "verbs": ["get", "patch"]}
    bind(admin, {"kind": "User", "apiGroup": RBAC, "name": "jo"}, [rule])
    for name in ("one", "two"):
        admin.create("configmaps", {"metadata": {"name": name}}).raise_for_status()
    codes = {name: user.http.get(user.path("configmaps", name)).status_code for name in ("one", "two")}
    assert codes == {"one": 200, "two": 403}
    assert user.patch("configmaps", "one", {"data": {"k": "v"}}).status_code == 200
    assert user.delete("configmaps", "one").status_code == 403
    assert user.http.get(user.path("configmaps")).status_code == 403


def test_no_one_grants_what_they_do_not_hold(admin: Caller) -> None:
    """A user who may write roles is refused a role beyond their own rights."""
    user = Caller(admin.cluster, admin.cluster.add_user("jo"))
    rule = {"apiGroups": [RBAC], "resources": ["roles"], "verbs": ["create"]}
    bind(admin, {"kind": "User", "apiGroup": RBAC, "name": "jo"}, [rule])
    wanted = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    answer = user.create("roles", {"metadata": {"name": "more"}, "rules": wanted})
    assert answer.status_code == 403
    assert "attempting to grant RBAC permissions not currently held" in answer.json()["message"]


def test_the_predefined_roles_are_aggregated(admin: Caller) -> None:
    """`edit` holds what `view` and its own parts give, and not the writing of roles."""
    admin.settle()
    rules = admin.http.get(f"/apis/{RBAC}/v1/clusterroles/edit").json()["rules"]
    given = {
        (group, one, verb) for r in rules for group in r["apiGroups"] for one in r["resources"] for verb in r["verbs"]
    }
    assert ("apps", "deployments", "patch") in given
    assert ("", "pods/log", "get") in given
    assert (RBAC, "roles", "create") not in given


def test_impersonation_is_said_to_be_missing(admin: Caller) -> None:
    """What is not implemented is 501, not a guess."""
    answer = admin.http.get("/api/v1/pods", headers={"Impersonate-User": "jo"})
    assert (answer.status_code, answer.json()["reason"]) == (501, "NotImplemented")


def test_a_token_ends_with_its_service_account(admin: Caller) -> None:
    """Deleting the account refuses its tokens, and an account of the same name does not bring them back."""
    account = {"metadata": {"name": "robot"}}
    admin.create("serviceaccounts", account).raise_for_status()
    robot = account_caller(admin, "robot")
    assert robot.http.get("/api").status_code == 200
    admin.delete("serviceaccounts", "robot").raise_for_status()
    assert robot.http.get("/api").status_code == 401
    admin.create("serviceaccounts", account).raise_for_status()
    assert robot.http.get("/api").status_code == 401


def test_a_token_ends_with_the_pod_it_is_bound_to(admin: Caller) -> None:
    """A token bound to a pod is refused once the pod is gone."""
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "main", "image": image("a")}]}}
    admin.create("pods", pod).raise_for_status()
    admin.settle()
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": admin.get("pods", "p")["metadata"]["uid"]}
    bound = account_caller(admin, "default", {"boundObjectRef": reference})
    assert bound.http.get("/api").status_code == 200
    admin.delete("pods", "p", gracePeriodSeconds=0).raise_for_status()
    assert bound.http.get("/api").status_code == 401


@pytest.mark.parametrize("gone", ["secrets", "serviceaccounts"])
def test_a_long_lived_token_ends_with_its_secret_or_account(admin: Caller, gone: str) -> None:
    """The token of a Secret is filled in by the controller, and refused once the Secret or the account is gone."""
    admin.create("serviceaccounts", {"metadata": {"name": "robot"}}).raise_for_status()
    annotations = {"kubernetes.io/service-account.name": "robot"}
    secret = {"metadata": {"name": "robot", "annotations": annotations}, "type": "kubernetes.io/service-account-token"}
    admin.create("secrets", secret).raise_for_status()
    admin.settle()
    holder = Caller(admin.cluster, secret_token(admin.get("secrets", "robot")))
    assert holder.http.get("/api").status_code == 200
    admin.delete(gone, "robot").raise_for_status()
    assert holder.http.get("/api").status_code == 401
    admin.settle()
    assert admin.http.get(admin.path("secrets", "robot")).status_code == 404


def test_a_token_review_tells_whose_a_token_is(admin: Caller) -> None:
    """A good token is someone's, a spoilt one no one's."""
    token = admin.cluster.add_user("jo", ["team"])
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    good = admin.http.post(path, json={"spec": {"token": token}}).json()["status"]
    assert (good["authenticated"], good["user"]["username"]) == (True, "jo")
    spoilt = admin.http.post(path, json={"spec": {"token": f"{token}x"}}).json()["status"]
    assert "authenticated" not in spoilt


def test_a_kubeconfig_is_for_its_owner_alone(cluster: RehearsalCluster, tmp_path: Path) -> None:
    """The written kubeconfig holds a token, so no one else may read it."""
    path = cluster.write_kubeconfig(tmp_path / "config")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_kubeconfig_alone_is_enough_over_https(cluster: RehearsalCluster) -> None:
    """Clients send bearer tokens over https alone: the authority stands beside the address, no other is trusted, and
    without the token nobody is let in."""
    document = cluster.kubeconfig()
    held, token = document["clusters"][0]["cluster"], document["users"][0]["user"]["token"]
    assert held["server"].startswith("https://")
    trusts = ssl.create_default_context(cadata=base64.b64decode(held["certificate-authority-data"]).decode())
    with httpx.Client(base_url=held["server"], verify=trusts, trust_env=False) as client:
        bearing = {"Authorization": f"Bearer {token}"}
        codes = [client.get("/api/v1/namespaces", headers=headers).status_code for headers in (bearing, {})]
    assert codes == [200, 401]
    with httpx.Client(base_url=held["server"], trust_env=False) as other, pytest.raises(httpx.ConnectError):
        other.get("/api")
