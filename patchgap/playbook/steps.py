"""Steps as written, checked against the verbs that exist and their own parameters.

Owns what a step may look like and what each list of steps may hold; the registry owns the verbs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, get_args

from pydantic import ValidationError

from patchgap.model.plan import Effect
from patchgap.playbook.diagnosis import tell
from patchgap.playbook.problems import listed, nearest
from patchgap.playbook.source import Path, Source
from patchgap.ports import Parameters
from patchgap.registry import Registry

ACTIONS, CHECKS, INVERSES = "action", "check", "inverse"


@dataclass(frozen=True, slots=True)
class Written:
    """A step as it stands in the text: its verb, its parameters and the path to each."""

    verb: str
    parameters: Mapping[str, Any]
    path: Path
    inside: Path

    @property
    def bare(self) -> bool:
        """Whether it is a verb alone."""
        return self.path == self.inside


def written(source: Source, path: Path, value: Any) -> Written | None:
    """The step at that path; None, with the problem noted, where it is neither a verb nor one verb's mapping."""
    if isinstance(value, str) and value.strip():
        return Written(value, {}, path, path)
    if not isinstance(value, dict) or not value:
        what = "a step is a verb, or a verb with its parameters; write `- VERB` or `- VERB: {NAME: VALUE}`"
        source.refuse(source.span(path), what)
        return None
    verb, *others = value
    if others:
        other = source.keys[(*path, others[0])]
        line = source.line(other.line)
        corrected = (
            line[: source.keys[(*path, verb)].column - 2] + f"- {line[other.column :]}"
            if not line[: other.column].strip()
            else ""
        )
        source.refuse(other, f"a step holds one verb, and this one also holds `{others[0]}`", corrected=corrected)
        return None
    inside = (*path, verb)
    parameters = value[verb]
    if not isinstance(parameters, dict):
        if inside not in source.empty:
            source.refuse(
                source.span(inside),
                f"the parameters of {verb} are `name: value` pairs",
                corrected=source.replaced(source.span(inside), "{}"),
            )
        return None
    return Written(verb, parameters, path, inside)


def each(source: Source, value: Any, path: Path) -> Iterator[tuple[int, Written | None]]:
    """Every step of the list at that path; nothing where it is no list (the schema reports that)."""
    if isinstance(value, list):
        for number, step in enumerate(value):
            here = (*path, number)
            yield number, None if here in source.empty else written(source, here, step)


def checked(source: Source, step: Written, kind: str, registry: Registry) -> dict[str, Any] | None:
    """The step as the language's model takes it, its parameters validated; None, with the problems noted, where its
    verb does not exist or a parameter does not fit."""
    verbs = names(registry, kind)
    if step.verb not in verbs:
        _no_such(source, step, kind, registry)
        return None
    if kind == INVERSES:
        return _inverse(source, step)
    found = (registry.actions if kind == ACTIONS else registry.checks)[step.verb]
    dumped: dict[str, Any] = {}
    durations: set[str] = set()
    for model in dict.fromkeys(found[p].parameters for p in sorted(found)):
        durations |= set(times(model))
        made = _validated(source, step, model)
        if made is None:
            return None
        dumped |= made
    about = next((a for part in found.values() if (a := getattr(part, "about", ""))), "")
    return {
        "verb": step.verb,
        "parameters": dumped,
        "line": source.span(step.path).line + 1,
        "about": about if kind == CHECKS else "",
        "durations": tuple(sorted(durations)),
    }


def _inverse(source: Source, step: Written) -> dict[str, Any] | None:
    if step.parameters:
        key = source.keys[(*step.inside, next(iter(step.parameters)))]
        source.refuse(
            key,
            f"{step.verb} takes no parameters: it undoes what was done, with the state that was found",
            corrected=_bare(source, step),
        )
        return None
    return {"verb": step.verb, "line": source.span(step.path).line + 1}


def _bare(source: Source, step: Written) -> str:
    key = source.keys[(*step.path, step.verb)]
    return source.line(key.line)[: key.column] + step.verb


def _validated(source: Source, step: Written, model: type[Parameters]) -> dict[str, Any] | None:
    try:
        return model.model_validate(dict(step.parameters)).model_dump(mode="json", exclude_none=True, by_alias=True)
    except ValidationError as error:
        tell(source, error, step.inside, model, of=f" of {step.verb}")
        return None


def times(model: type[Parameters]) -> Iterator[str]:
    """The names of a verb's parameters that are durations."""
    for name, field in model.model_fields.items():
        if timedelta in (field.annotation, *get_args(field.annotation)):
            yield name


def names(registry: Registry, kind: str) -> frozenset[str]:
    """Every verb of that kind."""
    return frozenset(
        registry.actions if kind == ACTIONS else registry.checks if kind == CHECKS else registry.inverses()
    )


_PLACES = {ACTIONS: "`contain`", CHECKS: "`verify`", INVERSES: "`recover`"}


def _no_such(source: Source, step: Written, kind: str, registry: Registry) -> None:
    span = source.span(step.path) if step.bare else source.keys[step.inside]
    valid = names(registry, kind)
    for other, place in _PLACES.items():
        if other != kind and step.verb in names(registry, other):
            fit = registry.inverses().get(step.verb, "") if (other, kind) == (INVERSES, ACTIONS) else ""
            what = f"{step.verb} is an {other}" if other != CHECKS else f"{step.verb} is a check"
            corrected = source.replaced(span, fit) if fit else source.without(span, source.span(step.path))
            source.refuse(span, f"{what}; it belongs in {place}", fit, corrected)
            return
    near = nearest(step.verb, valid)
    article = "a" if kind == CHECKS else "an"
    what = f"there is no {kind} {step.verb}; {article} {kind} is {listed(valid) or 'not installed'}"
    source.refuse(span, what, near, source.replaced(span, near) if near else source.without(span, span))


def irreversible(registry: Registry, verb: str) -> bool:
    """Whether nothing undoes the verb, on any platform."""
    return any(a.effect is Effect.IRREVERSIBLE for a in registry.actions.get(verb, {}).values())


def first_paragraph(verb: object) -> str:
    """What the verb's own documentation says first, as one line."""
    return " ".join((verb.__doc__ or "").strip().partition("\n\n")[0].split())
