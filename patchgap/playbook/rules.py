"""What a playbook must keep besides its schema: order of tiers, sense of times, lines that accept the irreversible.

Knows the language and what a verb does, not how a text is read.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from patchgap.playbook.language import Matcher, Playbook, Verify
from patchgap.playbook.problems import nearest
from patchgap.playbook.quantities import in_words
from patchgap.playbook.source import Path, Source
from patchgap.playbook.steps import ACTIONS, Written, each, irreversible, names
from patchgap.registry import Registry


def written(source: Source, document: dict[str, Any], registry: Registry) -> None:
    """Notes what can be told of the text alone, whether or not the schema holds elsewhere."""
    tiers = document.get("tiers")
    quiet = Source(source.file, source.lines, None, source.values, source.keys)  # steps' own problems are told already
    contained: set[str] = set()
    whole = True
    for number, tier in enumerate(tiers if isinstance(tiers, list) else ()):
        if not isinstance(tier, dict):
            continue
        path = ("tiers", number, "contain")
        seen: dict[str, int] = {}
        earlier: dict[str, int] = {}
        for at, step in each(quiet, tier.get("contain"), path):
            if step is None:
                whole = False
                continue
            whole &= step.verb in names(registry, ACTIONS)
            contained.add(step.verb)
            _once(source, step, seen, at)
            _follows(source, step, earlier, registry)
            _precedes(source, step, earlier, at, registry)
            earlier.setdefault(step.verb, at)
            if "approval" not in tier:
                _accepted(source, step, registry)
    if whole:
        _released(source, quiet, document, registry, contained)


def _once(source: Source, step: Written, seen: dict[str, int], number: int) -> None:
    same = f"{step.verb} {sorted(step.parameters.items(), key=str)}"
    if same in seen:
        span = source.span(step.path)
        source.refuse(
            span,
            f"{step.verb} is step {seen[same] + 1} of this tier already; keep one",
            corrected=source.without(span, span),
        )
    seen.setdefault(same, number)


def _follows(source: Source, step: Written, earlier: Container[str], registry: Registry) -> None:
    first = registry.follows(step.verb)
    if first and first not in earlier:
        span = source.span(step.path)
        what = f"{step.verb} has nothing to do without {first} before it in this tier; add that, or take this out"
        source.refuse(span, what, corrected=source.without(span, span))


def _precedes(source: Source, step: Written, earlier: Mapping[str, int], at: int, registry: Registry) -> None:
    """Names each step that would have changed what this one is there to see. A step that stands earlier in the tier too
    has seen it."""
    late = [v for v in earlier if v in registry.precedes(step.verb)]
    if not late or step.verb in earlier:
        return
    span = source.span(step.path)
    told = " and ".join(f"{v} (step {earlier[v] + 1})" for v in late)
    source.refuse(
        span,
        f"{step.verb} (step {at + 1}) comes after {told}, which {'changes' if len(late) == 1 else 'change'} what it is"
        f" there to see; move {step.verb} before {late[0]}",
    )


def _accepted(source: Source, step: Written, registry: Registry) -> None:
    if not irreversible(registry, step.verb) or any(nearest(name, ["irreversible"]) for name in step.parameters):
        return
    span = source.span(step.path)
    what = (
        f"nothing undoes {step.verb}, and this tier asks for no approval; "
        f"accept it in this line, or give the tier an `approval`"
    )
    if step.bare:
        corrected = source.replaced(span, f"{step.verb}: {{irreversible: accept}}")
    else:
        inside, key = source.span(step.inside), source.keys[step.inside]
        line = source.line(key.line)
        flow = line[inside.column : inside.column + 1] == "{" and inside.line == key.line
        added = "{irreversible: accept" + (", " if step.parameters else "")
        corrected = (
            line[: inside.column] + added + line[inside.column + 1 :].lstrip()
            if flow
            else " " * inside.column + "irreversible: accept"
        )
    source.refuse(span, what, corrected=corrected)


def _released(source: Source, quiet: Source, document: dict[str, Any], registry: Registry, contained: set[str]) -> None:
    inverses = registry.inverses()
    usable = {inverse for inverse, verb in inverses.items() if verb in contained}
    seen: dict[str, int] = {}
    for number, step in each(quiet, document.get("recover"), ("recover",)):
        if step is None or step.verb not in inverses:
            continue
        _once(source, step, seen, number)
        if step.verb not in usable:
            span = source.span(step.path)
            near = nearest(step.verb, usable - set(seen))
            source.refuse(
                span,
                f"{step.verb} undoes {inverses[step.verb]}, which no tier contains",
                near,
                source.replaced(span, near) if near else source.without(span, span),
            )


def meant(source: Source, playbook: Playbook) -> None:
    """Notes what a playbook that fits the schema says against itself."""
    _order(source, playbook)
    _sense(source, playbook.verify, ("verify",))
    for number, tier in enumerate(playbook.tiers):
        contained = {step.verb for step in tier.contain}
        for verb in (tier.limits.per_action or {}) if tier.limits else ():
            if verb not in contained:
                span = source.span(("tiers", number, "limits", "per_action"))
                source.refuse(span, f"{verb} is limited, and this tier does not contain it", nearest(verb, contained))
        if tier.verify is not None:
            _sense(source, tier.verify, ("tiers", number, "verify"))


def _order(source: Source, playbook: Playbook) -> None:
    previous, catch_all = 0, 0
    for number, tier in enumerate(playbook.tiers):
        span = source.span(("tiers", number, "tier"))
        if catch_all:
            source.refuse(
                span,
                f"tier {tier.tier} is never reached: tier {catch_all} has no `when` and takes all that is left; give"
                f" tier {catch_all} a `when`, or move it to the end",
            )
        if tier.tier <= previous:
            told = "stands twice" if tier.tier in {t.tier for t in playbook.tiers[:number]} else "is out of order"
            source.refuse(
                span,
                f"tier {tier.tier} {told}; tiers ascend, the worst first",
                corrected=source.replaced(span, str(previous + 1)),
            )
        previous = max(previous, tier.tier)
        catch_all = catch_all or (tier.tier if tier.when == Matcher() else 0)


def _sense(source: Source, verify: Verify, path: Path) -> None:
    if verify.within < verify.every:
        span = source.span((*path, "within"))
        source.refuse(
            span,
            f"`within` is shorter than `every`: no check would run again; make it {in_words(verify.every)} or more",
            corrected=source.replaced(span, in_words(verify.every)),
        )
    if verify.fresh_within < verify.every:
        span = source.span((*path, "fresh_within"))
        source.refuse(
            span,
            f"`fresh_within` is shorter than `every`: evidence would be stale before the next; "
            f"make it {in_words(verify.every)} or more",
            corrected=source.replaced(span, in_words(verify.every)),
        )
    seen: set[str] = set()
    for number, step in enumerate(verify.all_of):
        if step.verb in seen:  # with other parameters too: the gate knows a check by its verb
            span = source.span((*path, "all_of", number))
            source.refuse(span, f"{step.verb} stands twice; keep one", corrected=source.without(span, span))
        seen.add(step.verb)
