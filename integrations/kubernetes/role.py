"""What patchgap may do in a cluster: one ClusterRole, made of what its verbs and its watch declare and nothing else.

`patchgap permissions` prints it with its binding, ready for `kubectl apply`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from integrations.kubernetes.inventory import PLATFORM
from integrations.kubernetes.inventory.snapshot import WATCH_PERMISSIONS
from integrations.kubernetes.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES
from patchgap.cli.output import emit
from patchgap.registry import Registry, load

_READING = ("get", "list", "watch")
_VERBS = (*_READING, "create", "patch", "update", "delete")


def manifests(
    registry: Registry, subject: Mapping[str, str], name: str, *, reads: bool = False
) -> list[dict[str, Any]]:
    """The ClusterRole of that name and its binding to `subject` (a subject as Kubernetes writes it).

    With `reads` it holds nothing but reading: enough for the inventory, the watch and most checks, not to contain, and not to
    prove a block, which asks the server for a dry run."""
    metadata = {"name": name, "labels": {"app.kubernetes.io/managed-by": "patchgap"}}
    role = {"apiVersion": CLUSTER_ROLES.api_version, "kind": CLUSTER_ROLES.kind, "metadata": metadata}
    binding = {
        "apiVersion": CLUSTER_ROLE_BINDINGS.api_version,
        "kind": CLUSTER_ROLE_BINDINGS.kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": CLUSTER_ROLES.group, "kind": CLUSTER_ROLES.kind, "name": name},
        "subjects": [dict(subject)],
    }
    return [{**role, "rules": rules(_declared(registry), allowed=_READING if reads else _VERBS)}, binding]


def _declared(registry: Registry) -> Iterable[str]:
    verbs: list[Any] = [
        by[PLATFORM] for table in (registry.actions, registry.checks) for by in table.values() if PLATFORM in by
    ]
    verbs += [source for source in registry.inventories if source.platform == PLATFORM]
    return (*(line for verb in verbs for line in verb.permissions), *WATCH_PERMISSIONS)


def rules(permissions: Iterable[str], *, allowed: Sequence[str] = _VERBS) -> list[dict[str, Any]]:
    """The RBAC rules of lines such as `get,list apps/deployments`, one a resource, each verb of `allowed` once."""
    wanted: dict[tuple[str, str], set[str]] = {}
    for line in permissions:
        verbs, _, resource = line.partition(" ")
        group, _, plural = resource.partition("/")
        wanted.setdefault(("" if group == "core" else group, plural), set()).update(verbs.split(","))
    return [
        {"apiGroups": [group], "resources": [plural], "verbs": [v for v in allowed if v in verbs]}
        for (group, plural), verbs in sorted(wanted.items())
        if verbs & set(allowed)
    ]


@click.command()
@click.option(
    "--service-account",
    "account",
    default="patchgap/patchgap",
    show_default=True,
    metavar="NAMESPACE/NAME",
    help="Whom to bind it to.",
)
@click.option("--user", metavar="NAME", help="A user instead, as the API server knows them.")
@click.option(
    "--read-only",
    "reads",
    is_flag=True,
    help="Reading only: enough for the inventory, `patchgap watch` and most checks.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def permissions(account: str, user: str | None, *, reads: bool, as_json: bool) -> None:
    """The least privilege that patchgap needs in a cluster, for `kubectl apply`."""
    namespace, _, name = account.partition("/")
    if not user and not (namespace and name):
        raise click.BadParameter("write NAMESPACE/NAME", param_hint="--service-account")
    subject = (
        {"apiGroup": CLUSTER_ROLES.group, "kind": "User", "name": user}
        if user
        else {"kind": "ServiceAccount", "namespace": namespace, "name": name}
    )
    made = manifests(load(), subject, "patchgap-read-only" if reads else "patchgap", reads=reads)
    if as_json:
        emit({"apiVersion": "v1", "kind": "List", "items": made})
        return
    click.echo(_yaml(made), nl=False)


def _yaml(documents: Sequence[Mapping[str, Any]]) -> str:
    from ruamel.yaml import YAML  # imported late: only this output needs it

    out = io.StringIO()
    writer = YAML()
    writer.representer.ignore_aliases = lambda _data: True
    writer.dump_all([dict(one) for one in documents], out)
    return out.getvalue()
