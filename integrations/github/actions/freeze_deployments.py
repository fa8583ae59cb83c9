"""freeze_deployments at GitHub: what builds the affected artifacts promotes nothing while the incident lasts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from integrations.github.promotion import CUSTOM, Promotion, State
from integrations.verbs import FreezeParameters, done
from patchgap.errors import ConflictError, PatchgapError, WaitingError
from patchgap.model.exposure import Artifact, repository_of
from patchgap.model.plan import Control, Effect, Intent, Outcome, PlannedAction, Receipt, Target, Uncovered
from patchgap.ports import Parameters, Situation
from patchgap.registry import action

PLATFORM = "github"
_SOURCE = re.compile(r"github\.com[/:]([A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}?)(?:\.git)?(?:[@#/]|$)", re.ASCII)
_PREFIX = "patchgap-"  # of each incident's ruleset
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_LOCKED: State = {"policy": CUSTOM, "patterns": []}  # custom patterns, and none of them


@action
class FreezePromotion:
    """Holds promotion in the repositories that build the affected images: their environments admit no branch, and a
    ruleset of the incident's own name locks their production branches, but to the teams that make the mend.

    Example::

        freeze_deployments: {reach: affected_namespaces}
    """

    verb: ClassVar[str] = "freeze_deployments"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.REVERSIBLE
    inverse: ClassVar[str] = "unfreeze_deployments"
    permissions: ClassVar[tuple[str, ...]] = (
        "Metadata: read",
        "Contents: read",
        "Actions: read",
        "Administration: write",
    )
    parameters: ClassVar[type[Parameters]] = FreezeParameters

    def targets(self, parameters: FreezeParameters, situation: Situation) -> Iterable[Target | Uncovered]:  # noqa: ARG002
        """Each environment and the branches of each repository; an image that nothing is known to build is named.
        Without a token in the settings, nothing: promotion is not held here."""
        promotion = situation.connections.of(Promotion)
        if not promotion.settings.token:
            return
        repositories: dict[str, None] = {}
        for image, repository in sorted(_built(promotion, situation), key=lambda built: (built[0], built[1] or "")):
            if repository is None:
                why = "nothing says which repository builds it: add it to github.repositories"
                yield Uncovered(self.verb, f"promotion of {image}", why)
            elif repository:
                repositories[repository] = None
        for repository in repositories:
            try:
                yield from _targets(promotion, repository)
            except PatchgapError as error:
                yield Uncovered(self.verb, f"promotion of {repository}", str(error))

    def preview(self, parameters: FreezeParameters, target: Target, situation: Situation) -> tuple[str, ...]:  # noqa: ARG002
        """What would be refused. Raises ConflictError where it is another repository under that name."""
        promotion = _same(situation, target)
        if target.kind == "Environment":
            now = _words(promotion.state(target.namespace, target.name))
            return (f"branches that may deploy to {target.name}: {now} -> none",)
        branches = ", ".join(promotion.settings.branches)
        return (f"ruleset {_name(situation)}: {branches} take no push, but pull requests of {_teams(promotion)}",)

    def seen(self, target: Target, situation: Situation) -> Mapping[str, str]:
        """Which branches may deploy to the environment, as it was before any incident held it, wholly or by halves. The
        ruleset stands on nothing."""
        if target.kind != "Environment":
            return {}
        state = _same(situation, target).state(target.namespace, target.name)
        ours = (*situation.done_or_begun, *(c for _, c in situation.elsewhere(target)))
        before = (c.intent.found for c in ours if c.intent.action.target == target)
        return {"branches": _words(next((found for found in before if _between(found, state)), state))}

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """Which branches may deploy. Raises ConflictError where it is another repository under that name, WaitingError
        where another incident holds it: what that one found is restored first, and is what this one finds."""
        promotion, target = _same(situation, action.target), action.target
        if target.kind == "Environment":
            state = promotion.state(target.namespace, target.name)
            _refuse_anothers(promotion, target, state, situation)
            return dict(state)
        return {"ruleset": _ruleset(situation)}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Sets what is not set yet. Raises ConflictError where someone changed it since it was found."""
        promotion, target = _same(situation, intent.action.target), intent.action.target
        if target.kind != "Environment":
            if promotion.ruleset(target.namespace, _name(situation)) is None:
                promotion.lock(target.namespace, intent.found["ruleset"])
            return self._seen(intent, situation)
        state = promotion.state(target.namespace, target.name)
        _ours(intent.found, state, target)
        if state["policy"] != CUSTOM:
            promotion.set_policy(target.namespace, target.name, CUSTOM)
        promotion.refuse(target.namespace, target.name, intent.found["patterns"])
        return self._seen(intent, situation)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where nothing is admitted now, or None."""
        promotion, target = situation.connections.of(Promotion), intent.action.target
        if target.kind == "Environment":
            held = promotion.state(target.namespace, target.name) == _LOCKED
            return done(intent, (f"no branch may deploy to {target.name}",)) if held else None
        found = promotion.ruleset(target.namespace, _name(situation))
        if found is None or not _as_set(intent.found["ruleset"], found):
            return None
        return done(intent, (f"ruleset {found['name']} locks the branches",), ruleset=int(found["id"]))

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Restores which branches may deploy, or deletes the ruleset; what else changed meanwhile stays as it is.
        Raises ConflictError where someone changed the same."""
        intent, target = control.intent, control.intent.action.target
        promotion = _same(situation, target)
        if target.kind != "Environment":
            return _unlock(promotion, intent, situation)
        if promotion.environment(target.namespace, target.name) is None:
            return done(intent, (f"the environment {target.name} is gone: there is nothing to restore",))
        found, state = intent.found, promotion.state(target.namespace, target.name)
        _ours(found, state, target)
        for pattern in found["patterns"]:
            if list(pattern) not in state["patterns"]:
                promotion.admit(target.namespace, target.name, pattern)
        if found["policy"] != state["policy"]:
            promotion.set_policy(target.namespace, target.name, found["policy"])
        return done(intent, (f"branches that may deploy to {target.name}: {_words(found)}",))

    def _seen(self, intent: Intent, situation: Situation) -> Receipt:
        seen = self.observe(intent, situation)
        if seen is None:
            raise ConflictError(
                f"{intent.action.target} was set and does not stand", "Someone else changes it: see its audit log."
            )
        return seen


def _built(promotion: Promotion, situation: Situation) -> Iterator[tuple[str, str | None]]:
    """Each affected image's repository, with the GitHub repository that builds it: None unknown, "" none of ours."""
    told = promotion.settings.repositories
    for exposure in {(e.container.image, e.artifact): e for e in situation.exposures}.values():
        artifact: Artifact = exposure.artifact
        image = repository_of(exposure.container.image) or artifact.repository or artifact.digest
        yield image, told[image] if image in told else _source(promotion, artifact)


def _source(promotion: Promotion, artifact: Artifact) -> str | None:
    """The repository of its builder's workflow, where that holds the commit that it was built from: a workflow that many
    repositories share builds from a commit of another."""
    builder = _SOURCE.search(artifact.provenance)
    if builder is None or not _COMMIT.fullmatch(artifact.commit):
        return None
    return builder[1] if promotion.has_commit(builder[1], artifact.commit) else None


def _targets(promotion: Promotion, repository: str) -> Iterator[Target]:
    uid = str(promotion.repository(repository)["id"])
    yield Target(PLATFORM, "", repository, "Branches", "production", uid)
    for name in promotion.settings.environments:
        if promotion.environment(repository, name) is not None:
            yield Target(PLATFORM, "", repository, "Environment", name, uid)


def _same(situation: Situation, target: Target) -> Promotion:
    promotion = situation.connections.of(Promotion).guarded(situation.may_write)
    if str(promotion.repository(target.namespace)["id"]) != target.uid:
        raise ConflictError(f"{target.namespace} is another repository than was planned", "Plan again.")
    return promotion


def _refuse_anothers(promotion: Promotion, target: Target, state: State, situation: Situation) -> None:
    """Raises WaitingError where another incident holds it: as its ledger says, also while only its ruleset is released
    yet, or as a ruleset says that another patchgap made."""
    others: set[str] = {
        i for i, c in situation.elsewhere(target) if c.receipt.outcome is Outcome.DONE or not _is(state, c.intent.found)
    }
    if state == _LOCKED:
        names = {n for n in promotion.rulesets(target.namespace) if n.startswith(f"{_PREFIX}inc-")}
        others |= {n.removeprefix(_PREFIX) for n in names - {_name(situation)}}
    if others:
        raise WaitingError(
            f"{target.name} of {target.namespace} is held by {', '.join(sorted(others))}",
            "It is frozen for this incident as soon as that one has released it.",
        )


def _is(state: State, found: State) -> bool:
    """Whether it is as it was found: nothing of the effect stands."""
    return state["policy"] == found["policy"] and list(state["patterns"]) == [list(p) for p in found["patterns"]]


def _ours(found: State, state: State, target: Target) -> None:
    """Holds where the state is the one found, the one set, or between them; anything else is someone else's."""
    if not _is(state, found) and not _between(found, state):
        raise ConflictError(
            f"which branches may deploy to {target.name} of {target.namespace} was changed by someone else:"
            f" found {_words(found)}, set none, stands {_words(state)}",
            "Settle it there by hand; patchgap changes nothing of it.",
        )


def _between(found: State, state: State) -> bool:
    """Whether it admits nothing but what was found: that is set, or on the way to it."""
    return state["policy"] == CUSTOM and all(p in [list(q) for q in found["patterns"]] for p in state["patterns"])


def _unlock(promotion: Promotion, intent: Intent, situation: Situation) -> Receipt:
    repository = intent.action.target.namespace
    found = promotion.ruleset(repository, _name(situation))
    if found is None:
        return done(intent, ("the ruleset is gone",))
    if not _as_set(intent.found["ruleset"], found):
        raise ConflictError(
            f"the ruleset {found['name']} of {repository} was changed by someone else",
            "Delete it by hand where it is not wanted.",
        )
    promotion.unlock(repository, int(found["id"]))
    return done(intent, (f"the ruleset {found['name']} is deleted",))


def _name(situation: Situation) -> str:
    return f"{_PREFIX}{situation.incident}"


def _ruleset(situation: Situation) -> dict[str, Any]:
    settings = situation.connections.of(Promotion).settings
    teams = [{"actor_id": t, "actor_type": "Team", "bypass_mode": "pull_request"} for t in settings.mend_teams]
    include = [b if b.startswith(("~", "refs/")) else f"refs/heads/{b}" for b in settings.branches]
    return {
        "name": _name(situation),
        "target": "branch",
        "enforcement": "active",
        "bypass_actors": teams,
        "conditions": {"ref_name": {"include": include, "exclude": []}},
        "rules": [{"type": "update"}, {"type": "deletion"}, {"type": "non_fast_forward"}],
    }


def _as_set(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether it stands as it was set; the service adds fields of its own."""
    kinds = {r["type"] for r in wanted["rules"]}
    same = all(found.get(k) == wanted[k] for k in ("name", "target", "enforcement", "conditions"))
    actors = [{k: a.get(k) for k in ("actor_id", "actor_type", "bypass_mode")} for a in found.get("bypass_actors", [])]
    return same and actors == list(wanted["bypass_actors"]) and {r.get("type") for r in found.get("rules", [])} == kinds


def _teams(promotion: Promotion) -> str:
    held = promotion.settings.mend_teams
    return f"the teams {', '.join(map(str, held))}" if held else "no team"


def _words(state: State) -> str:
    if state["policy"] is None:
        return "all"
    if state["policy"] != CUSTOM:
        return "protected branches"
    return ", ".join(name for name, _ in state["patterns"]) or "none"
