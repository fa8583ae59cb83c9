"""The role that `patchgap permissions` prints is made of what the verbs declare: no more, and nothing left out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from integrations.kubernetes.inventory.snapshot import EVERYTHING
from integrations.kubernetes.role import permissions, rules
from patchgap import registry


def printed(*arguments: str) -> str:
    done = CliRunner().invoke(permissions, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_lines_about_one_resource_become_one_rule() -> None:
    """Verbs are united and in a fixed order; the core group is written as the API writes it."""
    made = rules(["list,get core/pods", "patch core/pods", "get apps/deployments/scale"])
    assert made == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "patch"]},
        {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get"]},
    ]


def test_every_declared_permission_is_in_the_role() -> None:
    """Each verb of each Kubernetes action, check and inventory finds its permissions there."""
    role: dict[str, Any] = json.loads(printed("--json"))["items"][0]
    held = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    loaded = registry.load()
    verbs: list[Any] = [
        by["kubernetes"] for t in (loaded.actions, loaded.checks) for by in t.values() if "kubernetes" in by
    ]
    lines = [line for verb in [*verbs, *loaded.inventories] for line in verb.permissions]
    assert len(lines) > 50
    for line in lines:
        what, _, resource = line.partition(" ")
        group, _, plural = resource.partition("/")
        assert {("" if group == "core" else group, plural, v) for v in what.split(",")} <= held, line
    assert not [one for one in held if "*" in one]


def test_read_only_writes_nothing() -> None:
    """The reading role holds get, list and watch alone, under a name of its own."""
    role, binding = json.loads(printed("--read-only", "--json"))["items"]
    assert {v for rule in role["rules"] for v in rule["verbs"]} <= {"get", "list", "watch"}
    assert binding["roleRef"]["name"] == role["metadata"]["name"] == "patchgap-read-only"


def test_what_is_listed_may_be_watched() -> None:
    """The reading role lets `patchgap watch` follow each kind that the inventory lists."""
    role, _ = json.loads(printed("--read-only", "--json"))["items"]
    held = {(g, r): rule["verbs"] for rule in role["rules"] for g in rule["apiGroups"] for r in rule["resources"]}
    for resource in EVERYTHING:
        assert {"list", "watch"} <= set(held[resource.group, resource.plural]), resource.permission


@pytest.mark.parametrize(
    ("arguments", "subject"),
    [
        ((), {"kind": "ServiceAccount", "namespace": "patchgap", "name": "patchgap"}),
        (("--user", "pg"), {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "pg"}),
    ],
)
def test_the_yaml_binds_whom_it_was_asked_to(arguments: tuple[str, ...], subject: dict[str, str]) -> None:
    """Two YAML documents, the role and its binding."""
    role, binding = YAML(typ="safe").load_all(printed(*arguments))
    assert (role["kind"], binding["kind"]) == ("ClusterRole", "ClusterRoleBinding")
    assert binding["subjects"] == [subject]


def test_an_account_without_a_namespace_is_refused() -> None:
    """The option is named, and how to write it."""
    done = CliRunner().invoke(permissions, ["--service-account", "patchgap"])
    assert done.exit_code == 2
    assert "NAMESPACE/NAME" in done.output
