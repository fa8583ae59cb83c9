"""`patchgap graph add`: what goes into the exposure graph by hand."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

import click

from patchgap.cli.context import Cli
from patchgap.cli.output import JSON, Story, emit, fitted, many, safe, wrapped
from patchgap.errors import BadInputError, PatchgapError
from patchgap.graph import files
from patchgap.graph.claims import Claim
from patchgap.graph.loading import load
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.kinds import NotAnSbomError
from patchgap.graph.sources import Index, opened, put
from patchgap.graph.store import Graph
from patchgap.model.exposure import Artifact
from patchgap.model.vex import VexDocument

_REASONS = 4  # that the last line names
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass
class Outcome:
    """What became of the files. A file that failed left nothing behind."""

    sboms: list[dict[str, Any]] = field(default_factory=list)
    provenance: list[dict[str, Any]] = field(default_factory=list)
    vex: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    new: int = 0  # SBOMs that were not stored before

    def sort(self) -> None:
        """By file: they come as they are read."""
        for some in (self.sboms, self.provenance, self.vex, self.images, self.claims, self.failed, self.skipped):
            some.sort(key=lambda one: str(one["file"]))

    def fail(self, path: str | Path, error: PatchgapError) -> None:
        """What did not go in; the others go on."""
        self.failed.append({"file": str(path), "problem": error.problem, "fix": error.fix, "told": str(error)})

    def skip(self, error: NotAnSbomError) -> None:
        """What a folder holds beside SBOMs; that is no failure, and is told of what resembles one."""
        told = {} if error.is_other else {"told": f"skipped {error.where}: {error.reason}"}
        self.skipped.append({"file": error.where, "reason": error.reason, **told})

    def tell(self, story: Story) -> None:
        """Names on stderr what did not go in, the files of one reason together, and each fix once."""
        by_fix: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for one in self.failed:
            by_fix.setdefault(one["fix"].replace(one["file"], "FILE"), {}).setdefault(_reason(one), []).append(one)
        for one in (one for one in self.skipped if "told" in one):
            by_fix.setdefault("", {}).setdefault(f"skipped, {one['reason']}", []).append(one)
        for fix, reasons in by_fix.items():
            alone = len(reasons) == 1 and all(len(held) == 1 for held in reasons.values())
            for reason, held in reasons.items():
                told = [one.pop("told") for one in held]
                if len(held) == 1:
                    story.warn(f"patchgap: {told[0] if alone else held[0].get('problem', told[0])}")
                    continue
                story.warn(f"patchgap: {many(len(held), 'file')}: {reason}")
                for one in held:
                    story.say(f"  {one['file']}")
            if fix and not alone:
                story.say(f"  {fix}")

    def sum_up(self) -> str:
        """How many went in and how many did not, by their most frequent reasons."""
        went = sum(map(len, (self.sboms, self.provenance, self.vex, self.images, self.claims)))
        reasons = Counter(map(_reason, self.failed)).most_common()
        told = [f"{count} ({reason})" for reason, count in reasons[:_REASONS]]
        if rest := sum(count for _, count in reasons[_REASONS:]):
            told.append(f"{rest} for other reasons")
        skipped = f" ({many(len(self.skipped), 'other file')} skipped)" if self.skipped else ""
        return f"{went} went in; {len(self.failed)} did not{skipped}: {', '.join(told)}."


def _reason(failed: dict[str, Any]) -> str:
    """The problem without the file."""
    return str(failed["problem"]).removeprefix(f"{failed['file']}: ")


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH|ADDRESS...")
@click.option("--artifact", metavar="REF@DIGEST", help="The image of an SBOM that names none.")
@click.option("--commit", metavar="SHA", help="The source commit that the image was built from.")
@JSON
@click.pass_obj
@click.pass_context
def add(
    ctx: click.Context,
    cli: Cli,
    paths: tuple[str, ...],
    artifact: str | None,
    commit: str | None,
    as_json: bool,
) -> None:
    """Add SBOMs, SLSA provenance, VEX and exposure documents; a folder is walked, an address asked.

    oci://REGISTRY/REPOSITORY@sha256:… is an image: its registry is asked what it is made of, and for what is attached.
    s3://BUCKET/PREFIX is every object there, kubernetes://CLUSTER the reports of its trivy-operator.

    SBOMs: CycloneDX JSON 1.2 to 1.7, XML 1.0 to 1.7 and protobuf 1.3 to 1.7, SPDX 2.2 and 2.3 JSON and tag-value, SPDX
    3.0 JSON-LD, Syft's JSON. Provenance: in-toto statements of SLSA v0.2 and v1, bare or in a DSSE envelope. VEX:
    OpenVEX and CSAF 2.0 in JSON, CycloneDX in each of its forms. Which one a file is, its content tells; gzip and zstd
    are unpacked.

    A file that cannot be read is named on stderr and leaves nothing behind; the others go in. What else a folder holds
    is skipped, and named where it resembles one of these. Adding a file again changes nothing.

    Exit codes: 0 all went in, 2 at least one did not.
    """
    story, outcome = Story(), Outcome()
    addresses = [path for path in paths if _ADDRESS.match(path)]
    named = tuple(Path(path) for path in paths if path not in addresses)
    found = _found(named, story, outcome)
    if (artifact or commit) and (len(found) > 1 or addresses):
        flag = "--artifact" if artifact else "--commit"
        several = "addresses name their own" if addresses else f"{len(found)} files were named"
        raise BadInputError(flag, f"it stands for one image, and {several}", "Add the files one by one.")
    adding = _Adding(named, artifact, commit, cli.graph(), cli.clock, story, outcome)
    documents = chain(adding.documents(found), adding.fetched(addresses, cli))
    outcome.new = adding.store.add_sboms(documents, cli.clock())
    outcome.sort()
    story.done()
    outcome.tell(story)
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
            outcome.fail(path, error)
    return found


@dataclass
class _Adding:
    """One call of `add`. `named` are the paths that were asked for; what else a folder holds beside SBOMs is skipped."""

    named: Sequence[Path]
    artifact: str | None
    commit: str | None
    store: Graph
    clock: Callable[[], datetime]
    story: Story
    outcome: Outcome

    def documents(self, found: list[Path]) -> Iterator[SbomDocument]:
        """The SBOMs as they are read; provenance and VEX go in on the way."""
        for n, (path, content) in enumerate(load(found, self.artifact), 1):
            self.story.progress(f"{n}/{len(found)} {path}")
            several = content if isinstance(content, files.Several) else files.Several((content,), ())  # type: ignore[arg-type]
            for one in (*several.contents, *several.failed):
                if isinstance(one, NotAnSbomError) and path not in self.named:
                    self.outcome.skip(one)
                elif not isinstance(one, PatchgapError | SbomDocument) and (self.artifact or self.commit):
                    problem = "provenance, VEX and exposure documents name their own artifacts"
                    error = BadInputError(path, problem, "Leave --artifact and --commit out.")
                    self.outcome.fail(path, error)
                else:
                    yield from self._taken(path, one)

    def fetched(self, addresses: Sequence[str], cli: Cli) -> Iterator[SbomDocument]:
        """What stands at the addresses, as it comes; what is no SBOM goes in on the way."""
        if not addresses:
            return
        from patchgap.ports import Connections  # imported late, as the registry, which imports every integration
        from patchgap.registry import load as load_registry

        sources, connections = load_registry().sources, Connections(cli.settings())
        for address in addresses:
            self.story.progress(f"asking {address}")
            source = sources.get(address.partition("://")[0].lower())
            try:
                if source is None:
                    known = ", ".join(f"{one}://" for one in sorted(sources))
                    raise BadInputError(address, "nothing reads such addresses", f"Name a path, or one of {known}.")
                for where, one in opened(source.fetch(address, connections)):
                    if isinstance(one, NotAnSbomError):
                        self.outcome.skip(one)
                    else:
                        yield from self._taken(where, one)
            except PatchgapError as error:
                self.outcome.fail(address, error)

    def _taken(self, where: str | Path, one: files.One | Index | PatchgapError) -> Iterator[SbomDocument]:
        if isinstance(one, SbomDocument):
            yield self._sbom(where, one)
            return
        if isinstance(one, PatchgapError):
            self.outcome.fail(where, one)
            return
        if isinstance(one, VexDocument):
            self._told(where, one, self.store.add_vex(one, self.clock()))
            return
        if isinstance(one, Claim):
            self._claimed(where, one)
            return
        if isinstance(one, Index):
            platforms = {platform.digests[0]: platform.name for platform in one.platforms}
            self.outcome.images.append({"file": str(where), "digest": one.digest, "platforms": platforms})
        else:
            told = {"file": str(where), "digests": [artifact.digest for artifact in one]}
            self.outcome.provenance.append(told | _source(one))
        put(self.store, one, self.clock())

    def _claimed(self, where: str | Path, one: Claim) -> None:
        read = put(self.store, one, self.clock())
        gaps = [f"cluster {name} has been read: what the document says runs there is not recorded" for name in read]
        told = {"file": str(where), "digest": one.artifact.digest, "workloads": [str(w.ref) for w in one.workloads]}
        self.outcome.claims.append(told | {"packages": len(one.sbom.packages) if one.sbom else 0, "open": gaps})

    def _sbom(self, path: str | Path, content: SbomDocument) -> SbomDocument:
        self.outcome.sboms.append(
            {
                "file": str(path),
                "format": content.format,
                "packages": len(content.packages),
                "digest": content.artifact.digest,
                "repository": content.artifact.repository,
                "edges": bool(content.edges),
                "open": [*content.gaps, *content.hides],
            }
        )
        if content.vex is not None:
            self._told(path, content.vex)
        if not self.commit:
            return content
        return replace(content, artifact=replace(content.artifact, commit=self.commit))

    def _told(self, path: str | Path, content: VexDocument, new: int | None = None) -> None:
        """`new` is how many statements were not stored before; an SBOM's go in with it."""
        told = {"file": str(path), "format": content.format, "statements": len(content.statements)}
        open_ = [f"{one.what}: {one.reason}" for one in content.unknown]
        self.outcome.vex.append(told | {"new": new, "open": open_})


def _source(document: tuple[Artifact, ...]) -> dict[str, str]:
    first = document[0] if document else Artifact("")
    return {"commit": first.commit, "builder": first.provenance}


def _report(outcome: Outcome) -> None:
    for one in outcome.sboms:
        chains = "with dependency edges" if one["edges"] else "without dependency edges"
        click.echo(_fitted(f"{one['file']}: {many(one['packages'], 'package')}, {chains} ({one['format']})"))
        click.echo(f"  {one['repository'] or 'image'}\n    {one['digest']}")
        _open(one["open"])
    for one in outcome.provenance:
        told = f"provenance of {many(len(one['digests']), 'digest')}, commit {one['commit'] or 'unknown'}"
        click.echo(_fitted(f"{one['file']}: {told}"))
    for one in outcome.images:
        names = ", ".join(one["platforms"].values())
        click.echo(_fitted(f"{one['file']}: {many(len(one['platforms']), 'platform')} ({names})"))
    for one in outcome.claims:
        held = f"{many(one['packages'], 'package')} and {many(len(one['workloads']), 'workload')}"
        click.echo(_fitted(f"{one['file']}: {held}, as it claims"))
        click.echo(f"    {one['digest']}")
        _open(one["open"])
    for one in outcome.vex:
        known = ", stored already" if one["statements"] and one["new"] == 0 else ""
        click.echo(_fitted(f"{one['file']}: VEX ({one['format']}), {many(one['statements'], 'statement')}{known}"))
        _open(one["open"])
    went = outcome.sboms or outcome.provenance or outcome.vex or outcome.images or outcome.claims
    if not went and not outcome.failed:
        click.echo(
            wrapped("Nothing went in: there is no SBOM, provenance, VEX or exposure document among them."), err=True
        )
    elif outcome.failed:
        click.echo(wrapped(outcome.sum_up(), "", "  "), err=True)
    elif outcome.skipped:
        click.echo(f"{many(len(outcome.skipped), 'other file')} skipped; --json names each", err=True)
    if again := len(outcome.sboms) - outcome.new:
        verb, them = ("was", "it") if again == 1 else ("were", "them")
        click.echo(_fitted(f"{many(again, 'SBOM')} {verb} stored already: nothing was written for {them}."))


def _fitted(text: str) -> str:
    return fitted(safe(text), sys.stdout, "  ")


def _open(sentences: Sequence[str]) -> None:
    for sentence in sentences:
        click.echo(wrapped(safe(sentence), "    open: ", "          "))
