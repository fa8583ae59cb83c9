"""`patchgap graph`: what goes into the exposure graph by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from patchgap.cli.context import Cli
from patchgap.cli.output import Group, Story, emit
from patchgap.errors import BadInputError
from patchgap.graph import files
from patchgap.graph.loading import load
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.kinds import NotAnSbomError
from patchgap.graph.store import Graph
from patchgap.model.exposure import Artifact


@dataclass
class Outcome:
    """What became of the files. A file that failed left nothing behind."""

    sboms: list[dict[str, Any]] = field(default_factory=list)
    provenance: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    new: int = 0  # SBOMs that were not stored before

    def sort(self) -> None:
        """By file: they come as they are read."""
        for some in (self.sboms, self.provenance, self.failed, self.skipped):
            some.sort(key=lambda one: str(one["file"]))

    def fail(self, path: Path, error: BadInputError, story: Story) -> None:
        """Names it on stderr; the others go on."""
        story.warn(f"patchgap: {error}")
        self.failed.append({"file": str(path), "problem": error.problem, "fix": error.fix})

    def skip(self, error: NotAnSbomError, story: Story) -> None:
        """Names on stderr what a folder holds beside SBOMs; that is no failure."""
        story.warn(f"patchgap: skipped {error.where}: {error.reason}")
        self.skipped.append({"file": error.where, "reason": error.reason})


@click.group(cls=Group)
def graph() -> None:
    """The exposure graph: which component is in which image."""


@graph.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--artifact", metavar="REF@DIGEST", help="The image of an SBOM that names none.")
@click.option("--commit", metavar="SHA", help="The source commit that the image was built from.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
@click.pass_context
def add(
    ctx: click.Context,
    cli: Cli,
    paths: tuple[Path, ...],
    artifact: str | None,
    commit: str | None,
    as_json: bool,
) -> None:
    """Add SBOMs and SLSA provenance; a folder is walked.

    CycloneDX JSON 1.2 to 1.7, XML 1.0 to 1.7 and protobuf 1.3 to 1.7, SPDX 2.2 and 2.3 JSON and tag-value, SPDX 3.0
    JSON-LD, Syft's JSON, in-toto statements of SLSA provenance v0.2 and v1, bare or in a DSSE envelope; told by content,
    gzip and zstd are allowed. A file that cannot be read is named on stderr and leaves nothing behind, the others go in;
    so is what a folder holds besides, which is skipped. Adding a file again changes nothing.

    Exit codes: 0 all went in, 2 at least one did not.
    """
    story, outcome = Story(), Outcome()
    found = _found(paths, story, outcome)
    if (artifact or commit) and len(found) > 1:
        raise BadInputError(
            "--artifact" if artifact else "--commit", f"it stands for one image, and {len(found)} files were named",
            "Add the files one by one.",
        )  # fmt: skip
    store = cli.graph()
    outcome.new = store.add_sboms(_documents(found, paths, artifact, commit, store, story, outcome), cli.clock())
    outcome.sort()
    story.done()
    if as_json:
        emit(outcome)
    else:
        _report(outcome)
    ctx.exit(2 if outcome.failed else 0)


def _found(paths: tuple[Path, ...], story: Story, outcome: Outcome) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        story.progress(f"looking into {path}")
        try:
            found += files.walk(path)
        except BadInputError as error:
            outcome.fail(path, error, story)
    return found


def _documents(
    found: list[Path],
    named: Sequence[Path],
    artifact: str | None,
    commit: str | None,
    store: Graph,
    story: Story,
    outcome: Outcome,
) -> Iterator[SbomDocument]:
    """The SBOMs as they are read; provenance goes in on the way. What a folder holds beside them is passed over, and
    what was `named` is not."""
    for n, (path, content) in enumerate(load(found, artifact), 1):
        story.progress(f"{n}/{len(found)} {path}")
        if isinstance(content, NotAnSbomError) and path not in named:
            outcome.skip(content, story)
        elif isinstance(content, BadInputError):
            outcome.fail(path, content, story)
        elif isinstance(content, SbomDocument):
            outcome.sboms.append(
                {
                    "file": str(path),
                    "format": content.format,
                    "packages": len(content.packages),
                    "digest": content.artifact.digest,
                    "repository": content.artifact.repository,
                    "edges": bool(content.edges),
                }
            )
            yield replace(content, artifact=replace(content.artifact, commit=commit)) if commit else content
        elif artifact or commit:
            problem = "provenance names its own artifacts and commit"
            outcome.fail(path, BadInputError(path, problem, "Leave --artifact and --commit out."), story)
        else:
            store.add_artifacts(content)
            outcome.provenance.append(
                {"file": str(path), "digests": [one.digest for one in content]} | _source(content)
            )


def _source(document: tuple[Artifact, ...]) -> dict[str, str]:
    first = document[0] if document else Artifact("")
    return {"commit": first.commit, "builder": first.provenance}


def _report(outcome: Outcome) -> None:
    for one in outcome.sboms:
        chains = "with dependency edges" if one["edges"] else "without dependency edges"
        click.echo(f"{one['file']}: {one['packages']} packages, {chains} ({one['format']})")
        click.echo(f"  {one['repository'] or 'image'}\n    {one['digest']}")
    for one in outcome.provenance:
        click.echo(f"{one['file']}: provenance of {len(one['digests'])} digests, commit {one['commit'] or 'unknown'}")
    if outcome.failed:
        click.echo(f"{len(outcome.failed)} of the files did not go in; stderr names each.", err=True)
