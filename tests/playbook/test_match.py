"""Matchers, tiers' facts, and which checks are required."""

from __future__ import annotations

from typing import Any

import pytest
from playbook_world import NOW, exposure, finding, verbs, workload

from patchgap.model.finding import IncidentId
from patchgap.model.plan import Plan, Uncovered
from patchgap.model.signal import Severity
from patchgap.model.workload import Classification, RunState
from patchgap.playbook.language import Matcher, Playbook, Privilege, Scope
from patchgap.playbook.loader import parse, scaled
from patchgap.playbook.match import Facts, matches
from patchgap.playbook.tiers import facts_of, severity_of
from patchgap.playbook.verify import required_checks, verify_of

KNOWN: dict[str, Any] = {
    "severity": Severity.HIGH,
    "malicious": False,
    "known_exploited": False,
    "epss": 0.2,
    "data_scope": Classification.INTERNAL,
    "environment": "production",
    "privileges": frozenset({Privilege.PRIVILEGED}),
    "internet_exposed": False,
    "ecosystems": frozenset({"debian:12"}),
}


@pytest.mark.parametrize(
    ("matcher", "facts", "holds"),
    [
        ({}, {}, True),
        ({"severity": "high"}, {}, True),
        ({"severity": ["low", "high"]}, {}, True),
        ({"severity": "critical"}, {}, False),
        ({"severity": "critical"}, {"severity": Severity.UNKNOWN}, True),
        ({"severity": "low"}, {"severity": Severity.UNKNOWN}, False),
        ({"malicious": False}, {}, True),
        ({"malicious": True}, {}, False),
        ({"epss": {"at_least": 0.2}}, {}, True),
        ({"epss": {"at_least": 0.21}}, {}, False),
        ({"epss": {"at_least": 0.0}}, {"epss": None}, False),
        ({"data_scope": "sensitive"}, {}, False),
        ({"data_scope": "sensitive"}, {"data_scope": Classification.UNKNOWN}, True),
        ({"data_scope": "unknown"}, {"data_scope": Classification.UNKNOWN}, True),
        ({"data_scope": "public"}, {"data_scope": Classification.UNKNOWN}, False),
        ({"environment": "staging"}, {}, False),
        ({"environment": "staging"}, {"environment": "unknown"}, True),
        ({"privileges": "privileged"}, {}, True),
        ({"privileges": ["cluster_admin"]}, {}, False),
        ({"privileges": ["cluster_admin"]}, {"untold": frozenset({Privilege.CLUSTER_ADMIN})}, True),
        ({"internet_exposed": True}, {"internet_exposed": None}, True),
        ({"internet_exposed": False}, {"internet_exposed": None}, False),
        ({"ecosystem": "Debian"}, {}, True),
        ({"ecosystem": "Debian:11"}, {}, False),
        ({"any": [{"malicious": True}, {"severity": "high"}]}, {}, True),
        ({"any": [{"malicious": True}, {"severity": "low"}]}, {}, False),
        ({"all_of": [{"malicious": False}, {"severity": "low"}]}, {}, False),
        ({"severity": "high", "data_scope": "sensitive"}, {}, False),
    ],
)
def test_matcher(matcher: dict[str, Any], facts: dict[str, Any], holds: bool) -> None:
    """Every condition must hold, a list holds by one of its values, and the unknown counts as the worst."""
    found = matches(Matcher.model_validate(matcher), Facts(**{**KNOWN, **facts}))
    assert found.holds is holds
    assert bool(found.because) is bool(matcher)


def test_the_reason_says_that_the_unknown_counted_as_the_worst() -> None:
    """A person reads in the reason that nobody knew."""
    facts = Facts(**{**KNOWN, "data_scope": Classification.UNKNOWN})
    assert matches(Matcher(data_scope=(Classification.SENSITIVE,)), facts).because == (
        "data scope unknown, counted as the worst",
    )


@pytest.mark.parametrize(
    ("given", "worst"),
    [
        ({"severity": Severity.LOW, "claimed": Severity.HIGH}, Severity.HIGH),
        ({"severity": Severity.CRITICAL, "claimed": Severity.LOW}, Severity.CRITICAL),
        ({"severity": Severity.UNKNOWN, "claimed": Severity.LOW}, Severity.LOW),
        ({"severity": Severity.UNKNOWN}, Severity.UNKNOWN),
        ({"severity": Severity.LOW, "malicious": True}, Severity.CRITICAL),
        ({"severity": Severity.UNKNOWN, "known_exploited": True}, Severity.CRITICAL),
    ],
)
def test_severity_is_the_worst_stated(given: dict[str, Any], worst: Severity) -> None:
    """The worst of the advisory's and the claim; malicious or exploited is critical; nothing stated is unknown."""
    assert severity_of(finding(**given)) is worst


@pytest.mark.parametrize(
    ("purl", "ecosystem"),
    [
        ("pkg:pypi/a@1", "pypi"),
        ("pkg:deb/debian/openssl@1", "debian"),
        ("pkg:apk/alpine/musl@1", "alpine"),
        ("pkg:golang/x/y@1", "go"),
        ("", "pypi"),
    ],
)
def test_the_ecosystem_is_the_components(purl: str, ecosystem: str) -> None:
    """The component's purl tells the ecosystem, the advisory where the component has none."""
    one = exposure(purl=purl)
    assert facts_of(finding(one), (one,)).ecosystems == {ecosystem}


@pytest.mark.parametrize(
    ("state", "direct", "scope", "holds"),
    [
        (RunState.PENDING, None, Scope(include=("running",)), True),
        (RunState.ROLLBACK, None, Scope(), False),
        (RunState.RUNNING, False, Scope(transitive=False), False),
        (RunState.RUNNING, None, Scope(transitive=False), True),
        (RunState.RUNNING, True, Scope(transitive=False), True),
    ],
)
def test_scope(state: RunState, direct: bool | None, scope: Scope, holds: bool) -> None:
    """What waits to start counts as running, and an unknown depth as direct."""
    assert scope.holds(exposure(workload(), state=state, direct=direct)) is holds


TEXT = """
playbook: p
version: 1
summary: s
owner: o
detect: {on: advisory}
tiers:
  - tier: 1
    when: {severity: critical}
    contain: [isolate_workloads]
    verify:
      every: 30s
      within: 48h
      fresh_within: 2m
      all_of:
        - signals_at_baseline: {quiet_for: 2h}
        - policy_in_sync
  - tier: 2
    contain: [isolate_workloads]
verify:
  every: 1m
  within: 24h
  fresh_within: 5m
  all_of:
    - signals_at_baseline
    - credentials_rotated
    - package_absent
"""


@pytest.fixture
def playbook() -> Playbook:
    return parse(TEXT, "p", verbs())


def test_a_check_about_an_action_needs_that_action(playbook: Playbook) -> None:
    """Without a rotation in the plan, rotated credentials are not asked for."""
    assert [s.verb for s in required_checks(playbook, {2}, None)] == ["signals_at_baseline", "package_absent"]


def test_a_check_about_an_action_is_required_where_the_plan_could_not_cover_it(playbook: Playbook) -> None:
    """A rotation that nothing could do leaves its proof missing; it does not make the proof needless."""
    missed = Uncovered("rotate_credentials", "c/n/Deployment/a", "there is no such account")
    plan = Plan(IncidentId("inc-20260304-abcd"), "p@1", NOW, (), (missed,))
    assert "credentials_rotated" in [s.verb for s in required_checks(playbook, {2}, plan)]


def test_the_tiers_in_play_decide_what_is_proved(playbook: Playbook) -> None:
    """A tier's own verify replaces the playbook's for it; of both, the strictest times and the longest quiet hold."""
    alone = verify_of(playbook, {1})
    assert [s.verb for s in alone.all_of] == ["signals_at_baseline", "policy_in_sync"]
    both = verify_of(playbook, {1, 2})
    assert [s.verb for s in both.all_of] == [
        "signals_at_baseline",
        "policy_in_sync",
        "credentials_rotated",
        "package_absent",
    ]
    assert both.all_of[0].parameters["quiet_for"] == "2h"
    assert (both.every.seconds, both.fresh_within.seconds, both.within.days) == (30, 120, 1)


def test_a_drill_shortens_every_time_of_verify_and_nothing_else(playbook: Playbook) -> None:
    """Every time and every check's own duration, default ones too, are scaled; tiers keep theirs."""
    short = scaled(playbook, 0.01)
    assert short.verify.every.total_seconds() == pytest.approx(0.6)
    assert short.verify.all_of[0].parameters["quiet_for"] == "18s"
    assert short.tiers[0].verify is not None
    assert short.tiers[0].verify.all_of[0].parameters["quiet_for"] == "72s"
    assert short.tiers[0].contain == playbook.tiers[0].contain
    assert (
        verbs()
        .check("signals_at_baseline", "kubernetes")
        .parameters.model_validate(scaled(playbook, 0.0001).verify.all_of[0].parameters)
    )
    assert scaled(playbook, 1) is playbook
