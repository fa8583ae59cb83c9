"""`patchgap permissions`: the least privilege for each platform, printed from what the verbs declare."""

from __future__ import annotations

import click

from integrations.aws.policy import aws
from integrations.kubernetes.role import kubernetes
from patchgap.cli.output import Group


@click.group(cls=Group)
def permissions() -> None:
    """What patchgap must be allowed to do, for exactly the playbooks in use."""


permissions.add_command(kubernetes)
permissions.add_command(aws)
