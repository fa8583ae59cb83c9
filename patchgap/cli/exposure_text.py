"""An exposure answer for a person: one block a workload, and what could not be told, loudly. Fits 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import IO, NamedTuple

from patchgap.cli.asking import things, untold
from patchgap.cli.chains import why
from patchgap.cli.output import many, safe, styled, wrapped
from patchgap.cli.times import told as time_told
from patchgap.graph.chains import MOST
from patchgap.graph.freshness import ReadAt
from patchgap.graph.selection import EVERYTHING, Selection
from patchgap.model.claimed import is_claimed
from patchgap.model.exposure import Exposure, ExposureAnswer, Standing, short
from patchgap.model.unknown import Unknown
from patchgap.model.workload import Classification, Container, ContainerRole, RunState, Workload

_MOST = 3  # chains shown; --json has them all
_LABEL = 12
_STANDINGS = {
    Standing.AFFECTED: ("INCLUDES", "red"),
    Standing.UNKNOWN: ("MAY INCLUDE", "yellow"),
    Standing.NOT_AFFECTED: ("VEX CLEARS", "green"),
}


class Told(NamedTuple):
    """How an answer is told: of which part of the fleet, of which time (None: now), and with every chain or a few."""

    stream: IO[str]
    selection: Selection = EVERYTHING
    at: datetime | None = None
    why: bool = False


def render(
    answer: ExposureAnswer,
    read_at: Mapping[str, datetime | Unknown],
    stream: IO[str],
    not_running: Sequence[str] = (),
    *,
    selection: Selection = EVERYTHING,
    at: datetime | None = None,
    why: bool = False,
) -> str:
    """The whole text. `read_at` says when each cluster was last read, `not_running` which images hold it and run nowhere
    known; `why` draws all chains."""
    told = Told(stream, selection, at, why)
    ordered = sorted(answer.exposures, key=_order)
    groups = [list(group) for _, group in groupby(ordered, key=lambda one: one.workload.ref)]
    parts = [_headline(answer, groups, told, asleep=bool(not_running))]
    parts += ["\n".join(_workload(group, told)) for group in groups]
    parts.append("\n".join(_at_rest(not_running)))
    if answer.unknown:
        parts.append("\n".join(untold(answer.unknown, stream)))
    parts.append("\n".join(readings(read_at, answer.asked_at)))
    return "\n\n".join(part for part in parts if part)


def _order(one: Exposure) -> tuple[str, ...]:
    ref = one.workload.ref
    return (ref.cluster, ref.namespace, ref.kind, ref.name, ref.uid, one.artifact.digest, one.component.name)


def _headline(answer: ExposureAnswer, groups: Sequence[Sequence[Exposure]], told: Told, *, asleep: bool) -> str:
    stream, kept = told.stream, str(told.selection)
    query = safe(answer.query) + (f" (only {safe(kept)})" if kept else "")
    query = f"At {time_told(told.at)}, {query}" if told.at else query
    sure = sum(any(one.standing is Standing.AFFECTED for one in group) for group in groups)
    cleared = sum(all(one.standing is Standing.NOT_AFFECTED for one in group) for group in groups)
    doubtful = len(groups) - sure - cleared
    if not groups and answer.unknown:
        where = "in nothing that is known to run" if asleep else "not found"
        return styled(wrapped(f"{query}: {where}, but not everything could be told."), stream, bold=True, fg="yellow")
    if not groups:
        return styled(wrapped(f"{query}: no running workload includes it."), stream, bold=True, fg="green")
    text = f"{query}: {included(sure, doubtful)}"
    if cleared:
        text += f"; VEX clears {many(cleared, 'workload')} that {'has' if cleared == 1 else 'have'} it"
    if answer.unknown:
        text += f"; {many(things(answer.unknown), 'thing')} could not be told"
    return styled(wrapped(text + "."), stream, bold=True, fg="red" if sure else "yellow")


def _at_rest(images: Sequence[str]) -> Iterator[str]:
    if not images:
        return
    yield wrapped(f"In {many(len(images), 'image')} that nothing known runs:")
    for image in images[:_MOST]:
        repository, _, digest = image.rpartition("@")
        yield f"  {safe(repository)}\n    {safe(digest)}" if repository else f"  {safe(digest)}"
    if len(images) > _MOST:
        yield f"  and {len(images) - _MOST} more, which --json names"


def included(sure: int, doubtful: int) -> str:
    """How many workloads include it, and how many may."""
    text = f"{many(sure, 'workload')} {'includes' if sure == 1 else 'include'} it"
    return f"{text}, {doubtful} may include it" if doubtful else text


def _workload(group: Sequence[Exposure], told: Told) -> Iterator[str]:
    workload, stream = group[0].workload, told.stream
    ref = workload.ref
    place = safe(f"{ref.cluster}  {ref.namespace}  {ref.kind}/{ref.name}")
    yield styled(wrapped(place, hanging="  "), stream, bold=True)
    yield _line("where", f"{workload.environment} environment, region {workload.region}")
    for dimension in told.selection.doubts(workload):
        yield _line("kept", f"its {dimension} is UNKNOWN: it may be one that was asked for")
    yield _line("running", _running(workload))
    yield _line("data", _data(workload))
    yield _line("privileges", _privileges(workload))
    for digest, exposures in groupby(group, key=lambda one: one.artifact.digest):
        held = list(exposures)
        artifact, container = held[0].artifact, held[0].container
        yield _line("image", f"{artifact.repository or 'of an unknown repository'}{_role(container)}")
        yield f"    {digest}"
        yield _line("commit", artifact.commit or "unknown")
        for gap in artifact.gaps:
            yield _line("open", f"in its SBOM {gap}")
        for one in held:
            yield from _component(one, told)
        if told.why and any(one.chains for one in held):
            yield _line("why", "every shortest chain from the image:")
            yield from why(held, stream, "    ")


def _line(label: str, text: str) -> str:
    indent = "  " + label.ljust(_LABEL)
    return wrapped(safe(text), indent, " " * len(indent))


def _running(workload: Workload) -> str:
    nodes = f", on {many(len(workload.nodes), 'node')}" if workload.nodes else ""
    states = {container.state for container in workload.containers}
    if is_claimed(workload):
        return f"{many(workload.replicas, 'replica')}, as an exposure document says"
    if RunState.SCHEDULED in states and not workload.running:
        return "by schedule; none now"
    if workload.replicas == 0 and not workload.running:
        return "scaled to zero"
    return f"{workload.running} of {workload.replicas} replicas{nodes}"


def _data(workload: Workload) -> str:
    scope = workload.data_scope
    word = scope.classification.value
    if scope.classification is Classification.UNKNOWN:
        word = "UNKNOWN classification (counts as sensitive)"
    return f"{word}; writes to {', '.join(scope.writes_to) if scope.writes_to else 'nothing that is declared'}"


def _privileges(workload: Workload) -> str:
    held = workload.privileges
    facts = [f"service account {held.service_account}"]
    if held.cluster_admin is None:
        facts.append("RBAC UNKNOWN (counts as cluster admin)")
    elif held.cluster_admin:
        facts.append("CLUSTER ADMIN")
    facts += ["CLOUD ADMIN"] * bool(held.cloud_admin)
    facts += ["PRIVILEGED"] * held.privileged + ["HOST NAMESPACE"] * held.host_namespace
    facts += [f"adds {', '.join(held.capabilities)}"] * bool(held.capabilities)
    facts += [f"may {line}" for line in held.reach[:_MOST]]
    if len(held.reach) > _MOST:
        facts.append(f"and {len(held.reach) - _MOST} more rights")
    return "; ".join(facts)


def _role(container: Container) -> str:
    role = "" if container.role is ContainerRole.MAIN else f"{container.role.value} "
    return f" ({role}container {container.name}, {container.state.value.replace('_', ' ')})"


def _component(one: Exposure, told: Told) -> Iterator[str]:
    name = " ".join(part for part in (one.component.name, one.component.version) if part)
    kind = {
        True: "direct dependency",
        False: "transitive dependency",
        None: "its SBOM names no chain to it",
    }
    built = f"built from {one.component.source}; " if one.component.source else ""
    text = safe(f"{name} ({built}{kind[one.direct]})")
    label, colour = _STANDINGS[one.standing]
    indent = "  " + label.ljust(_LABEL)
    yield styled(wrapped(text, indent, " " * len(indent)), told.stream, fg=colour)
    if one.vex:
        yield _line("vex", one.vex)
    if told.why:
        return
    for chain in one.chains[:_MOST]:
        links = " -> ".join(short(link) for link in chain)
        yield wrapped(safe(links), "    ", "      ")
    if len(one.chains) > _MOST:
        least = "at least " if one.more_chains is None else ""
        more = len(one.chains) - _MOST + (one.more_chains or 0)
        yield f"    and {least}{more:,} more chains (--why draws {'them' if one.more_chains == 0 else MOST})"


def readings(read_at: Mapping[str, datetime | Unknown], asked_at: datetime) -> Iterator[str]:
    """When each cluster was last read, or told of."""
    by_events = read_at.by_events if isinstance(read_at, ReadAt) else frozenset()
    for cluster, when in read_at.items():
        if isinstance(when, datetime):
            minutes = max(0, int((asked_at - when).total_seconds() // 60))
            stamp = when.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
            how = "was last told of" if cluster in by_events else "was read"
            text = f"cluster {cluster} {how} at {stamp}, {_ago(minutes)} ago"
            text += ", by deployment events" if cluster in by_events else ""
            yield wrapped(safe(text), hanging="  ")


def _ago(minutes: int) -> str:
    if minutes < 120:  # noqa: PLR2004
        return many(minutes, "minute")
    hours = minutes // 60
    return many(hours, "hour") if hours < 48 else many(hours // 24, "day")  # noqa: PLR2004
