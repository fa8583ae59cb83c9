"""Plans: every verb joined with the workloads of its tier, every target named, nothing touched and nothing skipped.

Asks actions for targets and previews; decides by the guards. Knows no platform. What looks like a secret in the words of a
control plane (an image's tag may) is withheld, so that the plan can be recorded. Two plans of the same world are equal
in everything but `made_at`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from patchgap.errors import PatchgapError, RefusedError, UnreachableError
from patchgap.model.codec import canonical, digest, plain
from patchgap.model.exposure import Exposure
from patchgap.model.finding import Finding, IncidentId
from patchgap.model.plan import ActionId, Approval, Effect, Plan, PlannedAction, Target, Uncovered
from patchgap.model.unknown import Unknown
from patchgap.model.workload import Workload
from patchgap.playbook.guards import CHANGES, Guard, beyond, over
from patchgap.playbook.language import Playbook, Step, Tier
from patchgap.playbook.quantities import in_words
from patchgap.playbook.tiers import assign, exposed
from patchgap.ports import Action, Parameters, Situation, StandingParameters, Watched
from patchgap.redact import recognisable, without_secrets
from patchgap.registry import Registry
from patchgap.settings import Ceilings, Protection

NO_CEILINGS = Ceilings()
_LATER = ("stands_for", "seen")  # fields of a planned action that older plans have not
DAY = timedelta(hours=24)
Lasting = Callable[[timedelta | None], timedelta]  # what a step asks for, None for nothing -> how long it may stand
SituationFor = Callable[[tuple[Exposure, ...]], Situation]


@dataclass(frozen=True)
class _Wanted:
    """An action on a target, before it is previewed."""

    action: Action
    tier: int
    step: int
    target: Target
    parameters: Parameters
    plain: Mapping[str, Any]
    situation: Situation

    @property
    def same(self) -> bytes:
        """Equal for one verb with the same parameters on one object; that a step accepts what it does, or how long it
        stands, is no difference."""
        t = self.target
        asked = {k: v for k, v in self.plain.items() if k not in ("irreversible", "stands_for")}
        return canonical([self.action.verb, asked, [t.platform, t.cluster, t.namespace, t.kind, t.name, t.uid]])


@dataclass
class _Draft:
    """The plan in the making."""

    lasting: Lasting
    wanted: dict[bytes, _Wanted] = field(default_factory=dict)
    actions: list[PlannedAction] = field(default_factory=list)
    uncovered: list[Uncovered] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)

    def want(self, wanted: _Wanted) -> None:
        """The same target, verb and parameters from two tiers are wanted once, for the workloads of both."""
        held = self.wanted.get(wanted.same)
        if held is not None:
            workloads = tuple(sorted({*held.target.workloads, *wanted.target.workloads}))
            more = () if wanted.tier == held.tier else wanted.situation.exposures
            wanted = replace(
                held,
                target=replace(held.target, workloads=workloads),
                situation=replace(held.situation, exposures=(*held.situation.exposures, *more)),
            )
        self.wanted[wanted.same] = wanted

    def unreachable(self, verb: str, names: Iterable[str], error: PatchgapError) -> None:
        """Notes what a control plane that does not answer leaves undone."""
        for name in names:
            self.unknown.append(Unknown(f"cluster {name.partition('/')[0]}", error.problem))
            self.uncovered.append(Uncovered(verb, name, error.problem))


def plan(
    playbook: Playbook,
    finding: Finding,
    registry: Registry,
    situation_for: SituationFor,
    estate: Sequence[Workload],
    protection: Protection,
    patchgap_namespace: str,
    now: datetime,
    ceilings: Ceilings = NO_CEILINGS,
    before: Collection[str] = (),
    over_hour: Callable[[Collection[str]], Sequence[str]] = lambda _names: (),
    lasting: Lasting = lambda asked: asked or DAY,
) -> Plan:
    """The plan for every workload of the finding. `estate` are all known workloads: shares are counted on them.

    Where a limit or a protected object refuses, `refusals` says so and nothing of the plan may run. An unreachable
    cluster is in `unknown`, and what it holds in `uncovered`. Raises NotFoundError for a verb that no integration
    has any more, BadInputError for a protection that protects nothing. `before` names what the incident changed under
    earlier plans, `over_hour` says why the hour has no room for what is named to it."""
    choices = assign(playbook, finding)
    counted = exposed(playbook.scope, finding.exposures)
    draft = _Draft(lasting, unknown=list(finding.unknown))
    for ref in dict.fromkeys(e.workload.ref for e in counted):
        if choices[ref].tier is None:
            draft.uncovered.append(Uncovered("contain", str(ref), choices[ref].because))
    for tier in playbook.tiers:
        of_tier = tuple(e for e in counted if choices[e.workload.ref].tier == tier.tier)
        if of_tier:
            situation = situation_for(of_tier)
            for number, step in enumerate(tier.contain):
                _resolve(draft, registry, tier.tier, number, step, situation)
    incident = situation_for(()).incident
    guard = Guard(protection, patchgap_namespace, estate)
    scoped = {str(ref) for ref in choices}
    for wanted in sorted(draft.wanted.values(), key=lambda w: (w.tier, w.step, w.target)):
        _admit(draft, guard, incident, wanted, scoped)
    known = {str(w.ref): w for w in (*estate, *(e.workload for e in counted))}
    for tier in playbook.tiers:
        if tier.limits is not None:
            mine = {str(ref) for ref, choice in choices.items() if choice.tier == tier.tier}
            mine |= _bystanders(draft, tier.tier, scoped)
            draft.refusals += over(tier.limits, tier.tier, mine, draft.actions, known.values(), before)
    draft.refusals += beyond(ceilings.per_action, ceilings.per_incident, draft.actions, before)
    draft.refusals += over_hour({name for a in draft.actions for name in a.reached})
    return _finished(playbook, draft, incident, now)


def _bystanders(draft: _Draft, tier: int, scoped: Collection[str]) -> set[str]:
    """What a tier's actions would change besides the finding's workloads: it counts against the tier's limits too."""
    changing = [a for a in draft.actions if a.tier == tier and a.effect in CHANGES]
    return {name for a in changing for name in a.target.workloads if name not in scoped}


def _resolve(draft: _Draft, registry: Registry, tier: int, number: int, step: Step, situation: Situation) -> None:
    """Names the targets of one step on every platform that has its verb, and what none of them serves."""
    found = registry.actions.get(step.verb, {})
    served: set[str] = set()
    for platform in sorted(found):
        action = found[platform]
        parameters = action.parameters.model_validate(dict(step.parameters))
        asked = parameters.model_dump(mode="json", exclude_none=True, by_alias=True)
        for target, where in _targets(draft, action, parameters, situation):
            if isinstance(target, Uncovered):
                draft.uncovered.append(target)
                served.add(target.target)
            else:
                served.update(target.workloads)
                draft.want(_Wanted(action, tier, number, target, parameters, asked, where))
    if found and all(a.effect is Effect.NOTIFIES for a in found.values()):
        return
    missed = [w.ref for w in situation.workloads if str(w.ref) not in served]
    told = {u.target for u in draft.uncovered if u.verb == step.verb}
    for ref in missed:
        if str(ref) not in told:
            why = (
                f"{step.verb} on {ref.platform} named no target for it"
                if ref.platform in found
                else f"no integration for {ref.platform} has {step.verb}"
            )
            draft.uncovered.append(Uncovered(step.verb, str(ref), why))


def _targets(
    draft: _Draft, action: Action, parameters: Parameters, situation: Situation
) -> list[tuple[Target | Uncovered, Situation]]:
    """The targets with the situation they were found in. Where a cluster does not answer, each is asked alone, so
    that the others go on."""
    try:
        return [(t, situation) for t in action.targets(parameters, situation)]
    except UnreachableError as unreachable:
        clusters = sorted({w.ref.cluster for w in situation.on(action.platform)})
        if not clusters:  # one that runs nothing: where artifacts are promoted, most of all
            draft.unknown.append(Unknown(action.platform, unreachable.problem))
            draft.uncovered.append(Uncovered(action.verb, action.platform, unreachable.problem))
        found: list[tuple[Target | Uncovered, Situation]] = []
        for cluster in clusters:
            alone = replace(
                situation, exposures=tuple(e for e in situation.exposures if e.workload.ref.cluster == cluster)
            )
            try:
                found += [(t, situation) for t in action.targets(parameters, alone)]
            except UnreachableError as error:
                draft.unreachable(action.verb, (str(w.ref) for w in alone.workloads), error)
        return found


def _admit(draft: _Draft, guard: Guard, incident: IncidentId, wanted: _Wanted, scoped: Collection[str]) -> None:
    """Makes it a planned action, unless a guard, its owner or its control plane says no."""
    action, target = wanted.action, wanted.target
    if action.effect in CHANGES and _is_protected(draft, guard, action.verb, target, scoped):
        return
    try:
        changes = tuple(map(without_secrets, action.preview(wanted.parameters, target, wanted.situation)))
        seen = action.seen(target, wanted.situation) if isinstance(action, Watched) else {}
    except UnreachableError as error:
        draft.unreachable(action.verb, target.workloads or (str(target),), error)
        return
    except RefusedError as error:
        draft.refusals.append(f"{action.verb} is refused on {target}: {error.problem}")
        return
    except PatchgapError as error:  # a conflict, most of all: that target stops, the others go on
        draft.uncovered.append(Uncovered(action.verb, str(target), error.problem))
        return
    draft.actions.append(
        PlannedAction(
            id=identity(incident, action.verb, target, wanted.plain),
            step=wanted.step,
            tier=wanted.tier,
            verb=action.verb,
            platform=action.platform,
            effect=action.effect,
            target=target,
            parameters=wanted.plain,
            changes=changes,
            inverse=action.inverse,
            seen={name: recognisable(value) for name, value in seen.items()},
            stands_for=_stands_for(draft.lasting, wanted.parameters),
        )
    )


def _stands_for(lasting: Lasting, parameters: Parameters) -> int:
    """Seconds, at least one; 0 for a verb that holds nothing up."""
    if not isinstance(parameters, StandingParameters):
        return 0
    return max(1, round(lasting(parameters.stands_for).total_seconds()))


def _is_protected(draft: _Draft, guard: Guard, verb: str, target: Target, scoped: Collection[str]) -> bool:
    """Whether a guard says no, and says so in the draft. A protected object of the scope refuses the plan; one that a
    target would merely change along leaves that target undone, and the others go on."""
    mine = tuple(name for name in target.workloads if name in scoped)
    if protected := guard.protects(replace(target, workloads=mine)):
        draft.refusals += [f"{verb} is refused: {why}" for why in protected]
        return True
    along = "; ".join(guard.along(target))
    draft.uncovered += [Uncovered(verb, name, f"{target} would reach more: {along}") for name in mine if along]
    return bool(along)


def identity(incident: IncidentId, verb: str, target: Target, parameters: Mapping[str, Any]) -> ActionId:
    """The same for the same verb, object and parameters of an incident, whenever it is planned and whichever workloads
    the object serves then, or how long it may stand: a block or a freeze whose scope grows stays one control."""
    asked = {k: v for k, v in parameters.items() if k != "stands_for"}
    told = canonical({"incident": incident, "verb": verb, "target": target.bare, "parameters": asked})
    return ActionId("act-" + hashlib.sha256(told).hexdigest()[:12])


def _finished(playbook: Playbook, draft: _Draft, incident: IncidentId, now: datetime) -> Plan:
    actions = tuple(replace(a, needs_approval=_asked_for(playbook.tier(a.tier), a)) for a in draft.actions)
    made = Plan(
        incident=incident,
        playbook=playbook.title,
        made_at=now,
        actions=actions,
        uncovered=tuple(dict.fromkeys(replace(u, reason=without_secrets(u.reason)) for u in draft.uncovered)),
        refusals=tuple(dict.fromkeys(map(without_secrets, draft.refusals))),
        unknown=tuple(dict.fromkeys(replace(u, reason=without_secrets(u.reason)) for u in draft.unknown)),
        approval=_approval([t for t in playbook.tiers if t.tier in {a.tier for a in actions if a.needs_approval}]),
        needs_approval=tuple(dict.fromkeys(a.needs_approval for a in actions if a.needs_approval)),
    )
    return replace(made, digest=digest_of(made))


def digest_of(made: Plan) -> str:
    """The digest that an approval binds to: over everything but itself and `made_at`. What an action does not say (of a
    plan that was made before it could) counts for nothing."""
    said = {k: v for k, v in plain(made).items() if k not in ("digest", "made_at")}
    said["actions"] = [{k: v for k, v in a.items() if v or k not in _LATER} for a in said["actions"]]
    return digest(said)


def _approval(tiers: Sequence[Tier]) -> Approval | None:
    """Of the tiers that wait: the worst one's approvers, and the shortest time that any of them gives."""
    rules = [t.approval for t in tiers if t.approval]
    if not rules:
        return None
    return Approval(rules[0].approvers, int(min(r.within for r in rules).total_seconds()))


def _asked_for(tier: Tier, action: PlannedAction) -> str:
    """Why this action waits for a yes: a tier's rule holds up that tier alone, never a worse one's containment."""
    if tier.approval and action.effect in CHANGES:
        return f"tier {tier.tier} asks {tier.approval.approvers}, within {in_words(tier.approval.within)}"
    if action.effect is Effect.IRREVERSIBLE and action.parameters.get("irreversible") != "accept":
        return f"nothing undoes {action.verb} (tier {tier.tier}), and its step does not accept that"
    return ""
