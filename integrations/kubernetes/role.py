"""What patchgap may do in a cluster: roles made of what its verbs, its inventory and its watch declare and nothing else.

`patchgap permissions kubernetes` prints them with their bindings, ready for `kubectl apply`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import click

from integrations.kubernetes.inventory.snapshot import WATCH_PERMISSIONS
from integrations.kubernetes.reach import PLATFORM
from integrations.kubernetes.resources import CLUSTER_ROLES
from integrations.kubernetes.rules import READING, permissions, roles
from patchgap.cli.context import Cli
from patchgap.cli.output import JSON, emit
from patchgap.playbook.loader import in_use
from patchgap.playbook.needs import Needs, needs
from patchgap.registry import load


def manifests(
    needed: Needs,
    subject: Mapping[str, str],
    name: str,
    home: str,
    namespaces: Sequence[str] = (),
    *,
    reads: bool = False,
) -> list[dict[str, Any]]:
    """The roles of that name and their bindings to `subject` (a subject as Kubernetes writes it). `home` is patchgap's
    own namespace; with `namespaces`, what changes workloads holds in those alone.

    With `reads` it is nothing but reading: enough for the inventory, the watch and most checks, not to contain, and not to
    prove a block, which asks the server for a dry run."""
    looking = permissions((*needed.checks, *needed.inventory, *WATCH_PERMISSIONS))
    acting = permissions(needed.actions)
    if reads:
        looking, acting = (frozenset(p for p in of if p.verb in READING) for of in (looking, acting))
    return roles(looking, acting, subject, name, home, namespaces)


@click.command("kubernetes")
@click.option(
    "--playbook",
    "playbooks",
    multiple=True,
    metavar="NAME|FILE",
    help="Only what this playbook needs; may be given again. Without it: every verb that there is.",
)
@click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    metavar="NAME",
    help="Change workloads in this namespace alone; may be given again. Reading stays the whole cluster's.",
)
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
@JSON
@click.pass_obj
def kubernetes(
    cli: Cli,
    playbooks: tuple[str, ...],
    namespaces: tuple[str, ...],
    account: str,
    user: str | None,
    *,
    reads: bool,
    as_json: bool,
) -> None:
    """The least privilege that patchgap needs in a cluster, for `kubectl apply`.

    A ClusterRole, and a Role in patchgap's own namespace for what is kept there. An incident keeps the playbook that it
    was opened with: apply the roles of a new version before it is used, and those of an old one until its incidents ended.
    """
    namespace, _, name = account.partition("/")
    if not user and not (namespace and name):
        raise click.BadParameter("write NAMESPACE/NAME", param_hint="--service-account")
    subject = (
        {"apiGroup": CLUSTER_ROLES.group, "kind": "User", "name": user}
        if user
        else {"kind": "ServiceAccount", "namespace": namespace, "name": name}
    )
    settings, registry = cli.settings(), load()
    needed = needs(registry, PLATFORM, in_use(playbooks, settings, registry) if playbooks else None)
    made = manifests(
        needed,
        subject,
        "patchgap-read-only" if reads else "patchgap",
        settings.kubernetes.namespace,
        namespaces,
        reads=reads,
    )
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
