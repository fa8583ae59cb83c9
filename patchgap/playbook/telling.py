"""A playbook in plain words: what wakes it, who gets which tier, what each step does, what proves, what stays.

Owns the words; everything they say comes from the playbook and from what each verb declares of itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from patchgap.model.plan import Effect
from patchgap.playbook.language import Matcher, OnlyIf, Playbook, Step, Tier, Verify
from patchgap.playbook.problems import listed
from patchgap.playbook.quantities import in_words, percent
from patchgap.playbook.steps import first_paragraph
from patchgap.ports import Action, Check
from patchgap.registry import Registry

_EFFECTS = {
    Effect.READS: "only reads",
    Effect.NOTIFIES: "writes to people only",
    Effect.IRREVERSIBLE: "cannot be undone",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A heading with its lines; `depth` is how far a line is indented."""

    heading: str
    lines: tuple[tuple[int, str], ...]


def tell(playbook: Playbook, registry: Registry) -> tuple[Told, ...]:
    """The playbook in words, a section a stage; what its verbs do is `tell_verbs`'s."""
    return (
        Told(f"{playbook.title}, owned by {playbook.owner}", ((0, playbook.summary),)),
        Told("What wakes it", tuple(_wakes(playbook))),
        Told("Who is counted", tuple(_scope(playbook))),
        *(Told(f"Tier {t.tier}: {_who(t)}", tuple(_tier(t, registry))) for t in playbook.tiers),
        Told("What proves that it is over", tuple(_verify(playbook.verify))),
        Told("What recover releases, in this order", tuple(_recover(playbook, registry))),
        Told("What stays", tuple(_stays(playbook, registry))),
    )


def tell_verbs(playbook: Playbook, registry: Registry) -> tuple[Told, ...]:
    """What each verb and check of it does on each platform and must be allowed, once, whatever the tier."""
    steps = dict.fromkeys(s.verb for t in playbook.tiers for s in t.contain)
    verifies = (playbook.verify, *(t.verify for t in playbook.tiers if t.verify))
    checks = dict.fromkeys(s.verb for v in verifies for s in v.all_of)
    return (
        Told("What each step does", tuple(_does(registry.actions, steps))),
        Told("What each check looks at", tuple(_does(registry.checks, checks))),
    )


def _wakes(playbook: Playbook) -> Iterator[tuple[int, str]]:
    only_if = playbook.detect.only_if
    yield 0, f"A signal of the kind {listed(playbook.detect.on)}."
    if (words := in_matcher(only_if)) != "everything":
        yield 0, f"Only where {words}."
    if isinstance(only_if, OnlyIf) and only_if.running:
        yield 0, "Only where something exposed runs, or a cluster cannot be read, so that nobody can tell."
    yield 0, "An unknown severity counts as critical."


def _scope(playbook: Playbook) -> Iterator[tuple[int, str]]:
    yield 0, f"Containers that are {listed(s.replace('_', ' ') for s in playbook.scope.include)}."
    depth = "and dependencies of dependencies" if playbook.scope.transitive else "only; unknown depth counts as direct"
    yield 0, f"Direct dependencies {depth}."
    yield 0, "What is unknown counts as exposed."


def _who(tier: Tier) -> str:
    words = in_matcher(tier.when)
    return "every workload that is left" if words == "everything" else f"workloads where {words}"


def in_matcher(matcher: Matcher) -> str:
    """A matcher in words; "everything" where it has no condition."""
    parts = [_condition(name, getattr(matcher, name)) for name in _PLAIN if getattr(matcher, name) is not None]
    if matcher.any:
        parts.append("(" + " or ".join(in_matcher(m) for m in matcher.any) + ")")
    parts += [in_matcher(m) for m in matcher.all_of or ()]
    return " and ".join(parts) or "everything"


_PLAIN = (
    "severity",
    "malicious",
    "known_exploited",
    "epss",
    "data_scope",
    "environment",
    "privileges",
    "internet_exposed",
    "ecosystem",
)
_TRUTHS = {
    "malicious": "the package is malicious",
    "known_exploited": "it is known to be exploited",
    "internet_exposed": "it is exposed to the internet",
}


def _condition(name: str, value: Any) -> str:
    if name in _TRUTHS:
        return _TRUTHS[name] if value else _TRUTHS[name].replace(" is ", " is not ", 1)
    if name == "epss":
        return f"EPSS is {value.at_least:g} or more"
    if name == "privileges":
        return f"it has {listed(v.replace('_', ' ') for v in value)} rights"
    return f"the {name.replace('_', ' ')} is {listed(value)}"


def _tier(tier: Tier, registry: Registry) -> Iterator[tuple[int, str]]:
    if tier.approval:
        rule = tier.approval
        yield 0, f"Waits for a yes from {rule.approvers}; without one within {in_words(rule.within)} the answer is no."
    else:
        yield 0, "Runs at once, without asking."
    for number, step in enumerate(tier.contain, 1):
        yield 0, f"{number}. {in_step(step)}: {_undone(step, registry)}"
    if tier.limits:
        limits = tier.limits
        held = [
            f"{count} {what}"
            for count, what in (
                (limits.workloads, "workloads"),
                (limits.namespaces, "namespaces"),
                (limits.environments, "environments"),
            )
            if count is not None
        ]
        held += [f"{count} targets of {verb}" for verb, count in (limits.per_action or {}).items()]
        if limits.per_incident is not None:
            held.append(f"{limits.per_incident} workloads over the whole incident")
        if limits.share is not None:
            held.append(f"{percent(limits.share)} of the known workloads of an environment")
        yield 0, f"Nothing at all is changed where it would be more than {listed(held)}."
    if tier.targets:
        asked = [f"{k} in {in_words(v)}" for k, v in tier.targets if v is not None]
        yield 0, f"Asked for: {', '.join(asked)} after the signal; a person is called for each that is missed."
    if tier.verify:
        yield 0, "Proved in its own way:"
        yield from ((depth + 1, line) for depth, line in _verify(tier.verify))


def in_step(step: Step) -> str:
    """A step on one line: the verb and its parameters."""
    told = ", ".join(f"{k}: {_value(v)}" for k, v in step.parameters.items() if v not in (None, [], ""))
    return f"{step.verb} ({told})" if told else step.verb


def _value(value: Any) -> str:
    return ", ".join(str(v) for v in value) if isinstance(value, (list, tuple)) else str(value)


def _undone(step: Step, registry: Registry) -> str:
    """What undoes it, and on which platforms where they differ in that: `undone by release_isolation`."""
    platforms: dict[str, list[str]] = {}
    for platform, action in sorted(registry.actions[step.verb].items()):
        platforms.setdefault(_EFFECTS.get(action.effect) or f"undone by {action.inverse}", []).append(platform)
    if len(platforms) == 1:
        return next(iter(platforms))
    return "; ".join(f"{undone} [{', '.join(names)}]" for undone, names in platforms.items())


def _does(known: Mapping[str, Mapping[str, Action | Check]], verbs: Iterable[str]) -> Iterator[tuple[int, str]]:
    for verb in verbs:
        yield 0, verb
        for platform, one in sorted(known[verb].items()):
            yield 1, f"{first_paragraph(one)} [{platform}]"
            if one.permissions:
                yield 1, f"needs: {'; '.join(one.permissions)}"


def _verify(verify: Verify) -> Iterator[tuple[int, str]]:
    times = f"Checked no more often than every {in_words(verify.every)}"
    fresh = f"evidence counts for {in_words(verify.fresh_within)}"
    yield 0, f"{times}; {fresh}; a person is called where it is not proved within {in_words(verify.within)}. All of:"
    for step in verify.all_of:
        yield 0, f"- {in_step(step)}" + (f", where {step.about} was planned" if step.about else "")


def _recover(playbook: Playbook, registry: Registry) -> Iterator[tuple[int, str]]:
    if not playbook.recover:
        yield 0, "Nothing: every control stays."
    for number, step in enumerate(playbook.recover, 1):
        yield 0, f"{number}. {step.verb} undoes {registry.inverses()[step.verb]}"


def _stays(playbook: Playbook, registry: Registry) -> Iterator[tuple[int, str]]:
    released = {registry.inverses()[s.verb] for s in playbook.recover}
    stays: Mapping[str, Step] = {
        s.verb: s
        for t in playbook.tiers
        for s in t.contain
        if s.verb not in released and any(a.effect in _LASTING for a in registry.actions[s.verb].values())
    }
    if not stays:
        yield 0, "Nothing."
    for verb, step in stays.items():
        final = any(a.effect is Effect.IRREVERSIBLE for a in registry.actions[verb].values())
        expires = step.parameters.get("expires")
        yield (
            0,
            f"{verb}: "
            + (
                "it cannot be undone"
                if final
                else f"until someone releases it; a person is called after {expires}"
                if expires
                else "until someone releases it"
            ),
        )


_LASTING = frozenset({Effect.REVERSIBLE, Effect.IRREVERSIBLE})
