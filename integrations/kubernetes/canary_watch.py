"""How a canary does: whether it may be promoted, must go, or needs more time.

Owns what holding out means: every pod ready without a break, and the configured queries at or below 0, for as long as was
asked, within twice that time; and that an image is as good as the worst of its canaries. It writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from integrations.digests import digest_in
from integrations.kubernetes import canaries, rollouts
from integrations.kubernetes.reach import cluster_of, still
from integrations.kubernetes.resources import PODS, Json
from integrations.kubernetes.standing import INCIDENT, foreign
from integrations.prometheus.checks.signals_at_baseline import BaselineParameters, SignalsAtBaseline
from patchgap.errors import ConflictError, PatchgapError
from patchgap.model.evidence import Verdict
from patchgap.model.plan import Target
from patchgap.playbook.quantities import duration, in_words
from patchgap.ports import Situation

_SHORTEST = timedelta(seconds=1)  # that a query is asked about


@dataclass(frozen=True, slots=True)
class Look:
    """`bad` says why it must go, `waits` for what it waits; neither: it has held out."""

    bad: str = ""
    waits: str = ""


def look(
    situation: Situation, target: Target, wanted: Mapping[str, str], after: timedelta, queries: Sequence[str]
) -> Look:
    """How the canary of the target, which should run the wanted images by container, has done until now. Raises
    ConflictError where someone else has given it another image: then nothing is known of the wanted one."""
    cluster = cluster_of(situation, target.cluster)
    canary = canaries.found_beside(cluster, situation, target)
    given = next((i for t, i in canaries.started(situation) if t.bare == target.bare), {})
    if canary is None and wanted.items() <= given.items():
        return Look(bad="it is gone before it held out: someone deleted it, or a run was cut off while it withdrew it")
    if canary is None:
        return Look(waits="it waits for its canary to be started")
    runs = canaries.images(canary)
    if changed := {n: runs.get(n) for n, image in wanted.items() if runs.get(n) != image}:
        who = sorted({manager for path, manager in foreign(canary) if path.endswith(".image")})
        if who and wanted.items() <= given.items():
            raise _taken(target, canary, changed, who)
        return Look(waits="it waits until its canary runs the image that was named last")
    if why := rollouts.stuck(canary):
        return Look(bad=f"its pods do not come up: {why}")
    labels = f"{canaries.CANARY_OF}={target.uid},{INCIDENT}={situation.incident}"
    since = rollouts.ready_since(canary, cluster.all_of(PODS, target.namespace, labels=labels))
    return _judged(situation, canary, since, after, queries)


def worst_elsewhere(
    situation: Situation, target: Target, wanted: Mapping[str, str], after: timedelta, queries: Sequence[str]
) -> Look:
    """How those images do in the incident's other canaries, each judged by the times of its own promotion: the first that is
    bad, or that cannot be seen. One that only needs more time holds up no other."""
    digests = {digest_in(image) for image in wanted.values()}
    for other, given in canaries.started(situation):
        same = {n: image for n, image in given.items() if digest_in(image) in digests}
        if not same or other.bare == target.bare:
            continue
        try:
            found = _elsewhere(situation, other, same, after, queries)
        except PatchgapError as error:
            return Look(
                waits=f"it waits until the canary of {other}, which runs the same image, can be judged: {error}"
            )
        if found.bad:
            return Look(bad=f"the canary of {other}, which runs the same image: {found.bad}")
    return Look()


def _elsewhere(
    situation: Situation, other: Target, same: Mapping[str, str], after: timedelta, queries: Sequence[str]
) -> Look:
    original = still(situation, other)
    if original is None or same.items() <= canaries.images(original).items():  # promoted there, by us or by its team
        return Look()
    planned = (a for a in situation.planned if a.verb == "promote_canary" and a.target.bare == other.bare)
    if (own := next(planned, None)) is not None:
        after, queries = duration(own.parameters["after"]), own.parameters["queries"]
    return look(situation, other, same, after, queries)


def _taken(target: Target, canary: Json, changed: Mapping[str, str | None], who: Sequence[str]) -> ConflictError:
    now = ", ".join(f"container {name} to {image or 'nothing'}" for name, image in changed.items())
    return ConflictError(
        f"{target}: {' and '.join(who)} has set its canary's {now}, so that the named image is not tried",
        f"Agree with them; delete Deployment {canary['metadata']['name']} by hand, and name another image with"
        " `patchgap incident patch`.",
    )


def _judged(
    situation: Situation, canary: Json, since: datetime | None, after: timedelta, queries: Sequence[str]
) -> Look:
    now, after = situation.clock(), max(after, _SHORTEST)
    started = _started(canary, now)
    last = started + 2 * after
    since = max(since, started) if since else None  # a cluster's clock that is behind must not shorten the watch
    if since is None or now < since + after:
        why = f"its canary must be ready for {in_words(after)} without a break, by {_clock(last)}"
        why += f": it is since {_clock(since)}" if since else ": not all of its pods are"
        if now >= last:
            return Look(bad=why)
        if since is None or now < since + _SHORTEST:  # a longer question would be about what ran before it
            return Look(waits=why)
        verdict, said = _asked(situation, queries, now - since)
        return Look(bad=said) if verdict is Verdict.FAIL else Look(waits=why)
    verdict, said = _asked(situation, queries, after)
    if verdict is Verdict.PASS:
        return Look()
    return Look(bad=said) if verdict is Verdict.FAIL or now >= last else Look(waits=said)


def asked(situation: Situation, queries: Sequence[str]) -> tuple[str, ...]:
    """What the queries answer now that would stand in the way of a promotion, or does not let it be told."""
    verdict, said = _asked(situation, queries, _SHORTEST)
    return () if verdict is Verdict.PASS else (f"now: {said}",)


def _asked(situation: Situation, queries: Sequence[str], length: timedelta) -> tuple[Verdict, str]:
    if not queries:
        return Verdict.PASS, ""
    parameters = BaselineParameters(quiet_for=length, queries=tuple(queries))
    [seen] = SignalsAtBaseline().observe(parameters, situation)
    return seen.verdict, "; ".join(seen.reasons)


def _started(canary: Json, now: datetime) -> datetime:
    """When the canary was put, or brought to a newer mend, by patchgap's clock."""
    stated = (canary["metadata"].get("annotations") or {}).get(canaries.STARTED, "")
    try:
        return min(datetime.fromisoformat(stated), now)
    except (ValueError, TypeError):
        return datetime.fromisoformat(canary["metadata"]["creationTimestamp"])


def _clock(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
