"""Plans: every target named, nothing skipped, guards that refuse whole, the same plan for the same world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playbook_world import (
    NOW,
    REFUSED,
    UNREACHABLE,
    Reach,
    Verb,
    exposure,
    finding,
    situation_for,
    verbs,
    workload,
)

from patchgap.errors import BadInputError, ConflictError
from patchgap.model.exposure import Standing
from patchgap.model.plan import Effect, Plan, Target, Uncovered
from patchgap.model.unknown import Unknown
from patchgap.model.workload import Classification, Workload
from patchgap.playbook.loader import parse
from patchgap.playbook.planner import digest_of, plan
from patchgap.ports import Situation
from patchgap.registry import Registry
from patchgap.settings import Protection

BODY = """
playbook: p
version: 7
summary: s
owner: o
detect: {on: advisory}
tiers:
  - tier: 1
    when: {data_scope: sensitive}
    contain: %s
    %s
  - tier: 2
    contain: %s
    approval: {from: oncall, within: 30m}
verify: {every: 1m, within: 1h, fresh_within: 5m, all_of: [package_absent]}
"""

Planned = Callable[..., Plan]


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    def make(
        *workloads: Workload,
        first: str = "[isolate_workloads]",
        second: str = "[isolate_workloads]",
        limits: str = "",
        registry: Registry | None = None,
        estate: Sequence[Workload] = (),
        protection: Protection | None = None,
        exposures: tuple[Any, ...] = (),
        unknown: tuple[Unknown, ...] = (),
        later: int = 0,
    ) -> Plan:
        held = registry or verbs()
        playbook = parse(BODY % (first, f"limits: {limits}" if limits else "", second), "p", held)
        found = finding(*exposures, *(exposure(w) for w in workloads), unknown=unknown)
        now = NOW + timedelta(seconds=later)
        return plan(
            playbook,
            found,
            held,
            situation_for(found, tmp_path),
            [*estate, *workloads],
            protection or Protection(),
            "patchgap",
            now,
        )

    return make


INTERNAL = Classification.INTERNAL


def test_every_target_of_every_step_is_named(planned: Planned) -> None:
    """Each verb reaches the workloads of its own tier, in the order of tiers, steps and targets."""
    made = planned(
        workload("a"),
        workload("b"),
        workload("c", data=INTERNAL),
        first="[capture_forensics, isolate_workloads]",
    )
    assert [(a.tier, a.step, a.verb, a.target.name) for a in made.actions] == [
        (1, 0, "capture_forensics", "a"),
        (1, 0, "capture_forensics", "b"),
        (1, 1, "isolate_workloads", "a"),
        (1, 1, "isolate_workloads", "b"),
        (2, 0, "isolate_workloads", "c"),
    ]
    assert made.actions[2].changes == ("isolate_workloads prod-ml-eu/training/Deployment/a",)
    assert made.actions[2].inverse == "release_isolation"
    assert made.playbook == "p@7"


def test_two_plans_of_the_same_world_are_equal(planned: Planned) -> None:
    """Only `made_at` tells them apart: ids and digest are the same, in whatever order the exposures came."""
    one = planned(workload("a"), workload("b"))
    other = planned(workload("b"), workload("a"), later=60)
    assert replace(other, made_at=one.made_at) == one
    assert digest_of(one) == one.digest


def test_another_uid_is_another_target(planned: Planned) -> None:
    """The same name with another identity has another action id and another digest."""
    mine = workload("a")
    other = replace(mine, ref=replace(mine.ref, uid="u-other"))
    one, two = planned(mine), planned(other)
    assert one.actions[0].id != two.actions[0].id
    assert one.digest != two.digest


def test_the_same_target_from_two_tiers_is_planned_once(planned: Planned) -> None:
    """A namespace that two tiers freeze is frozen once, by the first, for the workloads of both."""
    made = planned(
        workload("a"), workload("c", data=INTERNAL), first="[freeze_deployments]", second="[freeze_deployments]"
    )
    (frozen,) = made.actions
    assert (frozen.tier, frozen.target.kind, frozen.target.name) == (1, "Namespace", "training")
    assert frozen.target.workloads == (
        "prod-ml-eu/training/Deployment/a",
        "prod-ml-eu/training/Deployment/c",
    )


def test_other_parameters_are_another_action(planned: Planned) -> None:
    """The same target with other parameters is planned beside the first."""
    made = planned(
        workload("a"),
        workload("c", data=INTERNAL),
        first="[{block_artifacts: {expires: 30d}}]",
        second="[{block_artifacts: {expires: 1d}}]",
    )
    assert [a.parameters for a in made.actions] == [{"expires": "30d"}, {"expires": "1d"}]


def test_a_platform_without_the_verb_is_uncovered(planned: Planned) -> None:
    """A scoped workload that no integration can serve is listed with the reason."""
    made = planned(workload("a"), workload("fn", platform="aws", cluster="eu-1", kind="Function"))
    assert [a.target.name for a in made.actions] == ["a"]
    assert [(u.verb, u.target, u.reason) for u in made.uncovered] == [
        ("isolate_workloads", "eu-1/training/Function/fn", "no integration for aws has isolate_workloads")
    ]


def test_a_workload_that_an_action_passes_over_in_silence_is_uncovered(planned: Planned) -> None:
    """An integration that names no target for a scoped workload does not make it covered."""
    quiet = Verb(
        "isolate_workloads", Effect.REVERSIBLE, "release_isolation", silent=["prod-ml-eu/training/Deployment/a"]
    )
    made = planned(workload("a"), registry=verbs(isolate_workloads=quiet))
    assert made.actions == ()
    assert "named no target" in made.uncovered[0].reason


def test_a_workload_without_a_tier_is_uncovered(planned: Planned, tmp_path: Path) -> None:
    """What no tier matches is listed, not forgotten."""
    held = verbs()
    text = (BODY % ("[isolate_workloads]", "", "[isolate_workloads]")).replace(
        "- tier: 2", "- tier: 2\n    when: {environment: qa}"
    )
    found = finding(exposure(workload("c", data=INTERNAL)))
    made = plan(parse(text, "p", held), found, held, situation_for(found, tmp_path), [], Protection(), "patchgap", NOW)
    assert [(u.verb, u.target) for u in made.uncovered] == [("contain", "prod-ml-eu/training/Deployment/c")]
    assert "no tier of p@7 matches" in made.uncovered[0].reason


def test_what_is_not_affected_is_not_planned(planned: Planned) -> None:
    """An exposure that its VEX clears is neither planned nor uncovered."""
    made = planned(exposures=(exposure(workload("a"), standing=Standing.NOT_AFFECTED),))
    assert made.actions == ()
    assert made.uncovered == ()


def test_a_ticket_is_one_for_all(planned: Planned) -> None:
    """A verb that only notifies has one target for the whole tier, on any platform."""
    made = planned(
        workload("a"), workload("fn", platform="aws", cluster="eu-1"), first="[{open_incident: {severity: sev1}}]"
    )
    (opened,) = made.actions
    assert opened.platform == "tickets"
    assert len(opened.target.workloads) == 2
    assert made.uncovered == ()


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (workload("dns", namespace="kube-system"), "kube-system is the system's namespace"),
        (workload("info", namespace="kube-public"), "kube-public is the system's namespace"),
        (workload("lease", namespace="kube-node-lease"), "kube-node-lease is the system's namespace"),
        (workload("worker", namespace="patchgap"), "patchgap's own namespace"),
        (workload("ledger", namespace="payments-core"), "the settings protect the namespace payments-core"),
        (workload("vault-0", namespace="secrets", kind="StatefulSet"), "the settings protect */secrets/*/vault-*"),
    ],
)
def test_a_protected_object_refuses_the_whole_plan(planned: Planned, of: Workload, says: str) -> None:
    """The refusal names the object and why; the object is not planned, nor previewed."""
    isolate = Verb("isolate_workloads", Effect.REVERSIBLE, "release_isolation")
    protection = Protection(namespaces=("payments-*",), workloads=("*/secrets/*/vault-*",))
    made = planned(workload("a"), of, registry=verbs(isolate_workloads=isolate), protection=protection)
    (refusal,) = made.refusals
    assert str(of.ref) in refusal
    assert says in refusal
    assert isolate.previewed == ["prod-ml-eu/training/Deployment/a"]


def test_protection_looks_at_the_resolved_object(planned: Planned) -> None:
    """A verb on a namespace, or on a policy that serves a protected workload, is refused by what it resolves to."""
    made = planned(
        workload("dns", namespace="kube-system"),
        first="[freeze_deployments, block_artifacts]",
    )
    assert made.actions == ()
    assert [r.split(" is refused")[0] for r in made.refusals] == ["freeze_deployments"] * 2 + ["block_artifacts"]
    assert "prod-ml-eu/kube-system/Namespace/kube-system is protected" in made.refusals[0]


def test_reading_a_protected_object_is_allowed_and_named(planned: Planned) -> None:
    """Forensics of a protected workload are planned; only changes are refused."""
    made = planned(workload("dns", namespace="kube-system"), first="[capture_forensics]")
    assert made.refusals == ()
    assert [a.target.namespace for a in made.actions] == ["kube-system"]


@pytest.mark.parametrize(
    ("on_node", "says"),
    [
        ((workload("kube-apiserver-n1", namespace="kube-system", kind="Pod", nodes=("node-1",)),), "kube-apiserver"),
        ((), "may be the control plane's"),
        ((workload("web", nodes=("node-1",)),), ""),
    ],
)
def test_control_plane_nodes_are_protected(planned: Planned, on_node: tuple[Workload, ...], says: str) -> None:
    """A node that runs the control plane, or of which nothing is known, is refused; a worker node is not."""
    cordon = Verb("isolate_workloads", Effect.REVERSIBLE, "release_isolation", grain="node")
    made = planned(workload("a"), registry=verbs(isolate_workloads=cordon), estate=on_node)
    assert bool(made.refusals) is bool(says)
    assert says in "".join(made.refusals)


def test_a_protection_that_protects_nothing_is_an_error(planned: Planned) -> None:
    """A pattern that could never match is refused before anything is planned."""
    with pytest.raises(BadInputError, match="cluster/namespace/Kind/name"):
        planned(workload("a"), protection=Protection(workloads=("secrets/vault",)))


ELSEWHERE = tuple(workload(f"e{n}", environment="staging") for n in range(7))


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ("{workloads: 2}", "3 workloads, and its limit is 2"),
        ("{workloads: 3}", ""),
        ("{share: 30%}", "3 of the 4 known workloads of production (75%), and its limit is 30%"),
        ("{share: 75%}", ""),
        ("{namespaces: 1}", "2 namespaces, and its limit is 1"),
        ("{namespaces: 2}", ""),
        ("{environments: 1}", ""),
        ("{per_action: {scale_to_zero: 2}}", "scale_to_zero would have 3 targets, and its limit is 2"),
        ("{per_action: {scale_to_zero: 3, isolate_workloads: 3}}", ""),
        ("{per_incident: 2}", "changed 3 workloads in all, and its limit is 2"),
        ("{per_incident: 3}", ""),
    ],
)
def test_limits_refuse_whole_with_their_figures(planned: Planned, limits: str, says: str) -> None:
    """A limit counts distinct resolved workloads, shares of their environment alone, and trims nothing."""
    made = planned(
        workload("a"),
        workload("b"),
        workload("c", namespace="serving"),
        first="[isolate_workloads, scale_to_zero]",
        limits=limits,
        estate=(*ELSEWHERE, workload("d", data=INTERNAL)),
    )
    assert bool(made.refusals) is bool(says), made.refusals
    assert says in "".join(made.refusals)
    assert len(made.actions) == 6


def test_environments_are_counted(planned: Planned) -> None:
    """Two environments are more than one, an unknown one included."""
    made = planned(workload("a"), workload("b", environment="unknown"), limits="{environments: 1}")
    assert "2 environments, and its limit is 1" in made.refusals[0]


def test_reading_counts_toward_no_limit(planned: Planned) -> None:
    """A tier that only captures forensics and opens a ticket changes nothing, whatever its limit."""
    made = planned(
        workload("a"),
        workload("b"),
        first="[capture_forensics, {open_ticket: {severity: sev3}}]",
        limits="{workloads: 1}",
    )
    assert made.refusals == ()
    assert len(made.actions) == 3


def test_a_target_that_serves_nobody_by_name_still_counts(planned: Planned) -> None:
    """An action that forgets to say whom a target serves does not slip under a limit."""
    node = Verb("isolate_workloads", Effect.REVERSIBLE, "release_isolation")
    node.targets = lambda p, s: [replace(t, workloads=()) for t in Verb.targets(node, p, s)]
    made = planned(workload("a"), workload("b"), registry=verbs(isolate_workloads=node), limits="{workloads: 1}")
    assert "2 workloads, and its limit is 1" in made.refusals[0]


def test_an_unreachable_cluster_is_unknown_and_the_others_go_on(planned: Planned) -> None:
    """Where targets cannot be resolved in one cluster, it is named, and the other cluster's are planned."""
    dark = Verb("isolate_workloads", Effect.REVERSIBLE, "release_isolation", fails={"targets prod-ml-us": UNREACHABLE})
    made = planned(workload("a"), workload("b", cluster="prod-ml-us"), registry=verbs(isolate_workloads=dark))
    assert [a.target.cluster for a in made.actions] == ["prod-ml-eu"]
    assert made.unknown == (Unknown("cluster prod-ml-us", UNREACHABLE.problem),)
    assert [u.target for u in made.uncovered] == ["prod-ml-us/training/Deployment/b"]
    assert made.refusals == ()


def test_an_unreachable_platform_that_runs_nothing_is_unknown(planned: Planned) -> None:
    """Where artifacts are promoted there are no workloads to ask for one by one: the platform is named."""
    forge = Verb("isolate_workloads", Effect.REVERSIBLE, "release_isolation", platform="github")

    def dark(_parameters: Any, _situation: Situation) -> Iterable[Target | Uncovered]:
        raise UNREACHABLE

    forge.targets = dark  # type: ignore[method-assign]
    held = verbs()
    held.actions["isolate_workloads"]["github"] = forge
    made = planned(workload("a"), registry=held)
    assert [a.target.name for a in made.actions] == ["a"]
    assert made.unknown == (Unknown("github", UNREACHABLE.problem),)
    assert [u.target for u in made.uncovered] == ["github"]


@pytest.mark.parametrize(
    ("error", "refused", "unknown"),
    [
        (ConflictError("spec.paused is owned by argo-cd", "Ask its owner."), False, False),
        (UNREACHABLE, False, True),
        (REFUSED, True, False),
    ],
)
def test_what_a_preview_raises_is_in_the_plan(planned: Planned, error: Exception, refused: bool, unknown: bool) -> None:
    """A conflict stops that target, an unreachable server makes it unknown, a refusal refuses the plan."""
    name = "prod-ml-eu/training/Deployment/a"
    isolate = Verb("isolate_workloads", Effect.REVERSIBLE, "release_isolation", fails={name: error})
    made = planned(workload("a"), workload("b"), registry=verbs(isolate_workloads=isolate))
    assert [a.target.name for a in made.actions] == ["b"]
    assert bool(made.refusals) is refused
    assert bool(made.unknown) is unknown
    assert bool(made.uncovered) is not refused


def test_what_the_finding_could_not_tell_is_in_the_plan(planned: Planned) -> None:
    """The unknowns of the scope are the plan's too."""
    gap = Unknown("image sha256:bb", "it has no SBOM")
    assert planned(workload("a"), unknown=(gap,)).unknown == (gap,)


def test_an_approval_holds_up_its_own_tier_alone(planned: Planned) -> None:
    """Only what changes something in the tier that asks waits; the worse tier's containment and all reading do not."""
    assert planned(workload("a")).approval is None
    made = planned(workload("a"), workload("c", data=INTERNAL), second="[capture_forensics, isolate_workloads]")
    asked = "tier 2 asks oncall, within 30m"
    assert [(a.tier, a.verb, a.needs_approval) for a in made.actions] == [
        (1, "isolate_workloads", ""),
        (2, "capture_forensics", ""),
        (2, "isolate_workloads", asked),
    ]
    assert made.needs_approval == (asked,)
    assert made.approval is not None
    assert (made.approval.approvers, made.approval.within_seconds) == ("oncall", 1800)


def test_reading_asks_nobody(planned: Planned) -> None:
    """A tier that asks for approval and only reads has nothing to approve."""
    made = planned(workload("c", data=INTERNAL), second="[capture_forensics]")
    assert (made.needs_approval, made.approval) == ((), None)


def test_an_irreversible_step_needs_its_line_or_a_yes(planned: Planned, tmp_path: Path) -> None:
    """With its line it runs; in an asking tier the tier's approval covers it; a pinned playbook whose verb has become
    irreversible since waits, and the plan says why."""
    accepted = planned(workload("a"), first="[{rotate_credentials: {irreversible: accept}}]")
    assert accepted.needs_approval == ()
    assert accepted.actions[0].parameters == {"irreversible": "accept"}
    assert planned(workload("c", data=INTERNAL), second="[rotate_credentials]").actions[0].needs_approval
    held = verbs(isolate_workloads=Verb("isolate_workloads", Effect.IRREVERSIBLE))
    playbook, found = (
        parse(BODY % ("[isolate_workloads]", "", "[isolate_workloads]"), "p", verbs()),
        finding(exposure()),
    )
    made = plan(playbook, found, held, situation_for(found, tmp_path), [], Protection(), "patchgap", NOW)
    assert made.needs_approval == ("nothing undoes isolate_workloads (tier 1), and its step does not accept that",)


def test_parameters_are_planned_with_their_defaults(planned: Planned) -> None:
    """What a step does not say stands in the plan as the verb will take it."""
    frozen = Verb("freeze_deployments", Effect.REVERSIBLE, "unfreeze_deployments", "namespace", Reach)
    made = planned(workload("a"), first="[freeze_deployments]", registry=verbs(freeze_deployments=frozen))
    assert made.actions[0].parameters == {"reach": "affected_workloads"}


class Shared(Verb):
    """An action whose target also changes what nobody scoped, as a shared account does."""

    def __init__(self, *along: str) -> None:
        super().__init__("isolate_workloads", Effect.REVERSIBLE, "release_isolation")
        self.along = along

    def targets(self, parameters: Any, situation: Situation) -> Iterable[Target | Uncovered]:
        for target in super().targets(parameters, situation):
            assert isinstance(target, Target)
            yield replace(target, workloads=(*target.workloads, *self.along))


def test_what_is_changed_along_counts_toward_the_limit(planned: Planned) -> None:
    """Unaffected workloads that a target restarts are changed like the affected: over the limit, the plan is refused."""
    along = [f"prod-ml-eu/training/Deployment/web-{n}" for n in range(3)]
    made = planned(workload("a"), limits="{workloads: 3}", registry=verbs(isolate_workloads=Shared(*along)))
    assert "would change 4 workloads" in made.refusals[0]
    made = planned(workload("a"), limits="{workloads: 4}", registry=verbs(isolate_workloads=Shared(*along)))
    assert made.refusals == ()


@pytest.mark.parametrize(
    ("kind", "name", "why"),
    [
        ("Namespace", "training", "Deployment/payments is protected"),
        ("Node", "gpu-1", "Deployment/payments is protected"),
        ("Node", "gpu-2", ""),
        ("Namespace", "serving", ""),
    ],
)
def test_what_lives_within_a_target_is_protected_from_it(planned: Planned, kind: str, name: str, why: str) -> None:
    """A namespace that is frozen, or a node that takes no pods, reaches a protected workload that nobody names: that target
    is left undone. A DaemonSet starts pods on a cordoned node all the same."""
    guarded = replace(workload("payments"), nodes=("gpu-1",))
    agent = replace(workload("agent", kind="DaemonSet", namespace="watch"), nodes=("gpu-1", "gpu-2"))

    class Within(Verb):
        def targets(self, _parameters: Any, situation: Situation) -> Iterable[Target]:
            named = tuple(str(w.ref) for w in situation.workloads)
            space = name if kind == "Namespace" else ""
            return [Target("kubernetes", "prod-ml-eu", space, kind, name, "u", named)]

    made = planned(
        workload("a"),
        registry=verbs(isolate_workloads=Within("isolate_workloads", Effect.REVERSIBLE, "release_isolation")),
        estate=[guarded, agent],
        protection=Protection(namespaces=("watch",), workloads=("*/training/Deployment/payments",)),
    )
    assert made.refusals == ()
    assert [u.reason for u in made.uncovered if why in u.reason] if why else made.actions


def test_a_protected_bystander_leaves_that_target_undone(planned: Planned) -> None:
    """A protected workload that a target would change along is not touched: the target is uncovered for the affected
    workload that it would have served, with the reason, and the plan stands."""
    along = "prod-ml-eu/training/Deployment/payments"
    protection = Protection(workloads=("*/training/Deployment/payments",))
    made = planned(workload("a"), registry=verbs(isolate_workloads=Shared(along)), protection=protection)
    assert (made.actions, made.refusals) == ((), ())
    (left,) = made.uncovered
    assert left.target == "prod-ml-eu/training/Deployment/a"
    assert "payments is protected" in left.reason
