"""What patchgap may do in an AWS account: one IAM policy, made of what its verbs and its inventory declare.

A line is an IAM action, `ecs:UpdateService`, where its verb declares it narrowed as `… on ARN` and `… if OPERATOR KEY=VALUE`:
`iam:PutRolePolicy on arn:aws:iam::*:role/* if StringEquals aws:ResourceTag/team=ml`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click

from integrations.aws.accounts import PLATFORM
from patchgap.cli.context import Cli
from patchgap.errors import RefusedError
from patchgap.playbook.loader import in_use
from patchgap.playbook.needs import needs
from patchgap.registry import load


def document(lines: Iterable[str]) -> dict[str, Any]:
    """The policy; a statement for each way of narrowing. A line without one says every resource."""
    by: dict[tuple[str, str], set[str]] = {}
    for line in lines:
        what, _, condition = line.partition(" if ")
        action, _, resource = what.partition(" on ")
        by.setdefault((resource or "*", condition), set()).add(action)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": f"Patchgap{number}",
                "Effect": "Allow",
                "Action": sorted(actions),
                "Resource": resource,
                **({"Condition": _condition(condition)} if condition else {}),
            }
            for number, ((resource, condition), actions) in enumerate(sorted(by.items()), start=1)
        ],
    }


def _condition(text: str) -> dict[str, dict[str, str]]:
    operator, _, rest = text.partition(" ")
    key, _, value = rest.partition("=")
    return {operator: {key: value}}


@click.command("aws")
@click.option(
    "--playbook",
    "playbooks",
    multiple=True,
    metavar="NAME|FILE",
    help="Only what this playbook needs; may be given again. Without it: every verb that there is.",
)
@click.pass_obj
def aws(cli: Cli, playbooks: tuple[str, ...]) -> None:
    """The least privilege that patchgap needs in an AWS account: an IAM policy, as JSON."""
    registry = load()
    chosen = in_use(playbooks, cli.settings(), registry) if playbooks else None
    lines = needs(registry, PLATFORM, chosen).lines
    if not lines:
        raise RefusedError(
            "nothing of this acts in AWS", "No policy is needed; `patchgap playbook explain` tells the verbs."
        )
    click.echo(json.dumps(document(lines), indent=2))
