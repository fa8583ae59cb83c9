"""The roles that `patchgap permissions kubernetes` prints are made of what the verbs declare: no more, and nothing left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from integrations.kubernetes.inventory.snapshot import EVERYTHING
from integrations.kubernetes.rules import permissions as parsed
from integrations.kubernetes.rules import rules
from integrations.permissions import permissions
from patchgap import registry
from patchgap.cli.context import Cli

Held = set[tuple[str, str, str, str]]  # namespace ("" for everywhere), group, resource, verb


def printed(*arguments: str) -> str:
    done = CliRunner().invoke(permissions, ["kubernetes", *arguments], obj=Cli(home=Path("/nowhere"), environ={}))
    assert done.exit_code == 0, done.output
    return done.stdout


def held(*arguments: str) -> Held:
    """What the roles that are printed allow."""
    items: list[dict[str, Any]] = json.loads(printed("--json", *arguments))["items"]
    return {
        (item["metadata"].get("namespace", ""), group, resource, verb)
        for item in items
        for rule in item.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_lines_about_one_resource_become_one_rule() -> None:
    """Verbs are united and in a fixed order; the core group is written as the API writes it."""
    made = rules(parsed(["list,get core/pods", "patch core/pods", "get apps/deployments/scale"]))
    assert made == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "patch"]},
        {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get"]},
    ]


def test_every_declared_permission_is_in_the_roles() -> None:
    """Each verb of each Kubernetes action, check and inventory finds its permissions there."""
    loaded, allowed = registry.load(), held()
    verbs: list[Any] = [
        by["kubernetes"] for t in (loaded.actions, loaded.checks) for by in t.values() if "kubernetes" in by
    ]
    verbs += [source for source in loaded.inventories if source.platform == "kubernetes"]
    lines = [line for verb in verbs for line in verb.permissions]
    assert len(lines) > 50
    for one in parsed(lines):
        places = ("", "patchgap") if one.home else ("",)
        assert any((place, one.group, one.plural, one.verb) in allowed for place in places), one
    assert not [one for one in allowed if "*" in one]


def test_what_is_kept_at_home_is_allowed_there_alone() -> None:
    """A ConfigMap of an incident stands in patchgap's own namespace: nobody else's can be changed."""
    assert {place for place, _, resource, _ in held() if resource == "configmaps"} == {"patchgap"}


def test_a_playbook_gets_what_its_verbs_need_and_no_more(tmp_path: Path) -> None:
    """A playbook that contains by scaling needs no policies and no secrets; what it scales, it may patch."""
    text = (Path("playbooks") / "compromised-dependency.yaml").read_text(encoding="utf-8")
    head = text[: text.index("tiers:")].replace("compromised-dependency", "small")
    head += "tiers: [{tier: 1, contain: [scale_to_zero]}]\n"
    head += "verify: {every: 1m, within: 24h, fresh_within: 5m, all_of: [package_absent]}\nrecover: [restore_scale]\n"
    (tmp_path / "small.yaml").write_text(head, encoding="utf-8")
    small = held("--playbook", str(tmp_path / "small.yaml"))
    resources = {resource for _, _, resource, _ in small}
    assert ("", "apps", "deployments", "patch") in small
    assert not resources & {"secrets", "configmaps", "validatingadmissionpolicies", "serviceaccounts/token"}
    assert small < held()


def test_changes_can_be_kept_to_namespaces() -> None:
    """With --namespace nothing of a workload can be changed anywhere else; reading stays the whole cluster's."""
    allowed = held("--namespace", "training", "--playbook", "compromised-dependency")
    assert ("training", "networking.k8s.io", "networkpolicies", "create") in allowed
    assert ("", "apps", "deployments", "list") in allowed
    changing = {(r, v) for place, group, r, v in allowed if not place and v not in ("get", "list", "watch")}
    dry = {("pods", "create"), ("deployments", "create")}  # the questions that prove a block
    assert {r for r, _ in changing - dry} <= {"validatingadmissionpolicies", "validatingadmissionpolicybindings"}


def test_read_only_writes_nothing() -> None:
    """The reading role holds get, list and watch alone, under a name of its own."""
    role, binding, *_ = json.loads(printed("--read-only", "--json"))["items"]
    assert {verb for *_, verb in held("--read-only")} <= {"get", "list", "watch"}
    assert binding["roleRef"]["name"] == role["metadata"]["name"] == "patchgap-read-only"


def test_what_is_listed_may_be_watched() -> None:
    """The reading role lets `patchgap watch` follow each kind that the inventory lists."""
    allowed = held("--read-only")
    for resource in EVERYTHING:
        assert {("", resource.group, resource.plural, v) for v in ("list", "watch")} <= allowed, resource.permission


@pytest.mark.parametrize(
    ("arguments", "subject"),
    [
        ((), {"kind": "ServiceAccount", "namespace": "patchgap", "name": "patchgap"}),
        (("--user", "pg"), {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "pg"}),
    ],
)
def test_the_yaml_binds_whom_it_was_asked_to(arguments: tuple[str, ...], subject: dict[str, str]) -> None:
    """YAML documents: a ClusterRole, a Role at home, each with its binding."""
    made = list(YAML(typ="safe").load_all(printed(*arguments)))
    assert [m["kind"] for m in made] == ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]
    assert [m["subjects"] for m in made[1::2]] == [[subject], [subject]]


def test_an_account_without_a_namespace_is_refused() -> None:
    """The option is named, and how to write it."""
    done = CliRunner().invoke(permissions, ["kubernetes", "--service-account", "patchgap"], obj=Cli(environ={}))
    assert done.exit_code == 2
    assert "NAMESPACE/NAME" in done.output
