"""`patchgap graph`: what goes in (`add` stands in `graph`, which imports the readers), and what the graph holds."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import IO, Any

import click

from patchgap.cli import asking
from patchgap.cli.chains import why
from patchgap.cli.context import Cli
from patchgap.cli.exposure import inventory
from patchgap.cli.exposure_text import readings
from patchgap.cli.output import JSON, Group, emit, many, safe, styled, wrapped
from patchgap.cli.rows import table
from patchgap.graph.difference import Difference, difference
from patchgap.graph.naming import Named, image_named
from patchgap.graph.paths import Holder, PathAnswer, paths
from patchgap.graph.question import Question
from patchgap.graph.reading import Run
from patchgap.graph.stats import Stats
from patchgap.graph.stats import stats as counted
from patchgap.model.codec import plain
from patchgap.model.exposure import Standing
from patchgap.model.unknown import Unknown

_FEW = 3  # images of one reason that are named each
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_THOUSAND = 1024


class _Graph(Group):
    """Finds `add` when it is called: it imports the readers and SQLAlchemy."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return sorted({*self.commands, "add"})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name == "add" and cmd_name not in self.commands:
            from patchgap.cli.graph import add

            self.add_command(add)
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.get_command(ctx, "add")
        super().format_commands(ctx, formatter)


@click.group(cls=_Graph)
def graph() -> None:
    """The exposure graph: which component is in which image."""


@graph.command()
@JSON
@click.pass_obj
def stats(cli: Cli, /, as_json: bool) -> None:
    """Count what the graph holds, and what it is blind for."""
    sqlite = cli.database_url().startswith("sqlite")
    found = cli.asked(lambda read: counted(read, sqlite=sqlite))
    now = cli.clock()
    if as_json:
        known = {key: value for key, value in plain(found).items() if key != "clusters"}
        emit({"asked_at": now, **known, "clusters": inventory(found.clusters, now)})
    else:
        click.echo("\n\n".join(_stats(found, now, sys.stdout)))


def _stats(found: Stats, now: datetime, stream: IO[str]) -> Iterator[str]:
    stored = found.occurrences_stored
    shared = f" ({found.occurrences_told / stored:.1f} told for one stored)" if stored else ""
    rows = [
        ("images", f"{found.images:,}, {found.images_with_sbom:,} of them with an SBOM"),
        *([("artifacts", f"{found.provenance_alone:,} known by provenance alone")] * bool(found.provenance_alone)),
        ("SBOMs", _by(found.sboms)),
        ("components", _by({kind or "without a purl": count for kind, count in found.components.items()})),
        ("occurrences", f"{found.occurrences_told:,} told, {stored:,} stored{shared}"),
        ("workloads", f"{found.workloads:,}; {found.workload_versions:,} rows, their past included"),
        ("VEX", f"{found.vex_statements:,} statement{'' if found.vex_statements == 1 else 's'}"),
        ("database", _bytes(found.bytes)),
    ]
    yield "\n".join(wrapped(safe(text), f"{name:<14}", " " * 14) for name, text in rows)
    blind = [(count, kind) for kind, count in found.blind_spots.items() if count]
    if blind:
        title = styled(
            "UNKNOWN: what the graph is blind for (patchgap exposure names each)", stream, bold=True, fg="yellow"
        )
        yield "\n".join((title, *table(("", ""), blind, "  ")[1:]))
    elif found.clusters:
        yield "Nothing that runs is a blind spot."
    silent = [
        wrapped(safe(f"{one.what}: {one.reason}"), "  ? ", "    ")
        for one in found.clusters.values()
        if isinstance(one, Unknown)
    ]
    if read := [*readings(found.clusters, now), *silent]:
        yield "\n".join(read)


def _by(counts: Any) -> str:
    total = sum(counts.values())
    return f"{total:,}" + (f": {', '.join(f'{count:,} {kind}' for kind, count in counts.items())}" if counts else "")


def _bytes(size: float) -> str:
    for unit in _UNITS:
        if size < _THOUSAND or unit == _UNITS[-1]:
            return f"{size:.0f} {unit}" if unit == _UNITS[0] else f"{size:.1f} {unit}"
        size /= _THOUSAND
    raise AssertionError  # pragma: no cover


@graph.command()
@click.argument("what")
@click.option("--image", metavar="IMAGE", help="In this image alone: a digest, the start of one, or a repository.")
@JSON
@click.pass_obj
def path(cli: Cli, /, what: str, image: str | None, as_json: bool) -> None:
    """Draw the chains from each image to a package, whether it runs or not.

    WHAT is a name, name@version, or a purl. An image whose SBOM cannot tell is named as unknown.
    """
    question = Question.parse(what)

    def of(read: Run) -> PathAnswer:
        return paths(read, question, image_named(read, image).id if image else None)

    answer = cli.asked(of)
    if as_json:
        emit(_path_document(answer, question))
    else:
        click.echo("\n\n".join(_paths(answer, question, sys.stdout)))


def _path_document(answer: PathAnswer, question: Question) -> dict[str, Any]:
    return {
        "query": str(question),
        "images": answer.images,
        "provenance_alone": answer.provenance_alone,
        "artifacts": [
            {
                "artifact": plain(one.artifact),
                "digests": list(one.digests),
                "workloads": one.workloads,
                "components": plain(one.found),
            }
            for one in answer.holders
        ],
        "unknown": plain(answer.unknown),
    }


def _paths(answer: PathAnswer, question: Question, stream: IO[str]) -> Iterator[str]:
    held = len(answer.holders)
    run = sum(one.workloads > 0 for one in answer.holders)
    text = f"{question}: in {held} of {many(answer.images, 'image')}, {run} of which run{'s' if run == 1 else ''}"
    text = text if held else f"{question}: in none of {answer.images} images"
    text += f"; {len(answer.unknown)} cannot tell." if answer.unknown else "."
    yield styled(wrapped(safe(text)), stream, bold=True, fg="red" if held else "yellow" if answer.unknown else "green")
    for one in answer.holders:
        yield "\n".join(_holder(one, stream))
    if answer.unknown:
        yield "\n".join(asking.untold(tuple(_fewer(answer.unknown)), stream))
    if alone := answer.provenance_alone:
        kept = f"{many(alone, 'artifact')} known by provenance alone {'is' if alone == 1 else 'are'} left out: no SBOM"
        yield wrapped(f"{kept} describes {'it' if alone == 1 else 'them'}, and none ever ran.")


def _holder(one: Holder, stream: IO[str]) -> Iterator[str]:
    runs = f"run by {many(one.workloads, 'workload')}" if one.workloads else "not running"
    yield styled(wrapped(safe(f"{one.artifact.repository or 'image'} ({runs})"), hanging="  "), stream, bold=True)
    yield from (f"  {digest}" for digest in one.digests)
    yield from why(one.found, stream, "  ")
    for two in one.found:
        name = " ".join(part for part in (two.component.name, two.component.version) if part)
        doubt = " may be it" if two.standing is Standing.UNKNOWN else ""
        untold = "" if two.chains else f"{';' if doubt else ':'} its SBOM names no chain to it"
        built = f" (built from {two.component.source})" if two.component.source else ""
        if doubt or untold:
            yield wrapped(safe(f"{name}{built}{doubt}{untold}"), "  ", "    ")


def _fewer(unknown: Iterable[Unknown]) -> Iterator[Unknown]:
    """Many images of one reason as one line; --json has each."""
    by_reason: dict[str, list[Unknown]] = {}
    for one in unknown:
        by_reason.setdefault(one.reason, []).append(one)
    for reason, same in by_reason.items():
        if len(same) <= _FEW:
            yield from same
        else:
            yield Unknown(f"{len(same)} images (--json names each)", reason)


@graph.command()
@click.argument("before", metavar="IMAGE")
@click.argument("after", metavar="IMAGE")
@JSON
@click.pass_obj
def diff(cli: Cli, /, before: str, after: str, as_json: bool) -> None:
    """Tell which packages two images do not share: added, removed, at another version.

    IMAGE is a digest, the start of one, or a repository of which the graph knows one image.
    """

    def of(read: Run) -> tuple[Named, Named, Difference]:
        first, second = image_named(read, before), image_named(read, after)
        return first, second, difference(read, first, second)

    first, second, found = cli.asked(of)
    if as_json:
        shown = {"before": _image(first), "after": _image(second)}
        emit({**shown, **plain(found)})
    else:
        click.echo("\n\n".join(_diff(first, second, found, sys.stdout)))


def _image(one: Named) -> dict[str, str]:
    return {"digest": one.digest, "repository": one.repository}


def _diff(first: Named, second: Named, found: Difference, stream: IO[str]) -> Iterator[str]:
    names = [safe(f"{one.repository or 'image'}@{one.digest[:19]}") for one in (first, second)]
    yield styled(wrapped(f"{names[0]} -> {names[1]}", hanging="  "), stream, bold=True)
    yield (
        f"{len(found.changed)} changed, {len(found.added)} added, {len(found.removed)} removed, {found.same} the same."
    )
    rows: list[tuple[object, ...]] = [
        ("~", _kind(one.ecosystem, one.vendor), one.name, f"{_versions(one.before)} -> {_versions(one.after)}")
        for one in found.changed
    ]
    rows += [("+", _kind(one.ecosystem, one.vendor), one.name, _versions(one.versions)) for one in found.added]
    rows += [("-", _kind(one.ecosystem, one.vendor), one.name, _versions(one.versions)) for one in found.removed]
    if rows:
        yield "\n".join(table(("", "ECOSYSTEM", "PACKAGE", "VERSION"), rows))
    if found.unknown:
        yield "\n".join(asking.untold(found.unknown, stream))


def _kind(ecosystem: str, vendor: str) -> str:
    if not ecosystem:
        return "no purl"
    return f"{ecosystem}/{vendor}" if vendor and ecosystem in {"apk", "deb", "rpm"} else ecosystem


def _versions(versions: Iterable[str]) -> str:
    return ", ".join(one or "no version" for one in versions)
