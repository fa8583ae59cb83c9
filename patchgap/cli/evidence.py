"""`patchgap evidence`: an incident's signed evidence bundle, out and checked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from patchgap.cli.context import Cli
from patchgap.cli.output import JSON, Group, emit, fitted, safe
from patchgap.errors import BadInputError, NotFoundError
from patchgap.model.finding import IncidentId

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BROKEN = 1


@click.group(cls=Group)
def evidence() -> None:
    """Export and verify an incident's signed evidence."""


@evidence.command()
@click.argument("incident")
@click.option("--output", type=click.Path(path_type=Path), help="Write to this file instead of stdout.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document: the envelope, or what was written.")
@click.pass_obj
def export(cli: Cli, incident: str, output: Path | None, as_json: bool) -> None:
    """Export INCIDENT's ledger, evidence and measures as a signed DSSE envelope around an in-toto statement."""
    from patchgap.incident import bundle  # imported late, as below: --help must not wait for the libraries
    from patchgap.incident.ledger import Ledger
    from patchgap.storage import connect

    settings = cli.settings()
    entries = Ledger(connect(settings.database_url), cli.clock).read(IncidentId(incident))
    text = bundle.export(entries, bundle.signing_key(settings.home))
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInputError(output, f"it cannot be written: {error.strerror}", "Name another file.") from error
    key = settings.home / "keys" / "evidence.ed25519.pub"
    if as_json:
        emit({"file": str(output), "public_key": str(key)})
    else:
        click.echo(fitted(safe(f"{output}: signed by {key}"), sys.stderr), err=True)


@evidence.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), help="The signer's public key (PEM); else this patchgap's own.")
@JSON
@click.pass_obj
@click.pass_context
def verify(ctx: click.Context, cli: Cli, file: Path, key: Path | None, as_json: bool) -> None:
    """Verify FILE: its signature, its ledger's chain, and that what it says is what its ledger says.

    Exit codes: 0 where it is whole, 1 with each problem named, 2 for a file or key that cannot be read.
    """
    from patchgap.incident import bundle

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(file, "it cannot be read as text", "Name a bundle that patchgap exported.") from error
    public = bundle.public_key(key) if key else _own_key(cli)
    problems = bundle.verify(text, public)
    if as_json:
        emit({"whole": not problems, "keyid": bundle.key_id(public), "problems": problems})
    else:
        for problem in problems:
            click.echo(fitted(safe(problem), sys.stdout))
        told = f"{file}: {'broken' if problems else 'whole'}, by the key {bundle.key_id(public)[:16]}…"
        click.echo(fitted(safe(told), sys.stdout))
    if problems:
        ctx.exit(BROKEN)


def _own_key(cli: Cli) -> Ed25519PublicKey:
    from patchgap.incident import bundle

    home = cli.settings().home
    if not (home / "keys" / "evidence.ed25519").exists():
        raise NotFoundError(f"{home} holds no signing key", "Name the signer's public key with --key.")
    return bundle.signing_key(home).public_key()
