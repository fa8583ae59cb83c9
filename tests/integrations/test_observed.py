"""What a check saw, as evidence says it."""

from __future__ import annotations

from integrations.observed import Seen


def test_what_passed_is_no_reason_for_what_did_not() -> None:
    """A person reads the reasons of a missing proof as what is missing."""
    seen = Seen(passed=["the account was replaced"])
    assert seen.reasons == ("the account was replaced",)
    seen.failed.append("a pod has the old token")
    seen.unknown.append("one pod could not be read")
    assert seen.reasons == ("a pod has the old token", "one pod could not be read")
