"""Affected images in ECR's archive: those digests alone, for each incident, and never over what somebody else did."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aws_estate import BAD, GOOD, NUMBER, OTHER, REGION, Estate, intended, refused, standing, targets, uncovered
from played import place
from test_aws_holds import moved, stored

from integrations.aws.actions.block_artifacts import BlockArtifacts
from patchgap.model.plan import Outcome


def test_an_image_that_somebody_takes_out_of_the_archive_is_not_put_back(estate: Estate) -> None:
    """It is drift for a run, and nothing to undo for a release; one that its owner had archived stays so."""
    stored(estate)
    action, held = BlockArtifacts(), estate.situation(affected_digests=frozenset({BAD, OTHER}))
    place(NUMBER, REGION, "checkout", OTHER)
    asked = {"repositoryName": "checkout", "imageId": {"imageDigest": OTHER}}
    estate.client("ecr").update_image_storage_class(**asked, targetStorageClass="ARCHIVE")
    (target,) = targets(action, held)
    intent = intended(action, target, held)
    control = standing(intent, action.apply(intent, held))
    moved(estate, "STANDARD")
    assert action.observe(intent, held) is None
    assert "is ACTIVE" in action.differences(intent, held)[0]
    assert "somebody has taken" in refused(lambda: action.apply(intent, held))
    assert action.release(control, held).outcome is Outcome.DONE
    states, tags = estate.facts()["repository checkout"]
    assert (states, tags) == ({BAD: "ACTIVE", GOOD: "ACTIVE", OTHER: "ARCHIVED"}, [])


def test_two_incidents_keep_an_image_in_the_archive_until_the_last_lets_go(estate: Estate) -> None:
    """What the first found is what the last restores; what became affected meanwhile is held too, and a mend is let out."""
    stored(estate)
    place(NUMBER, REGION, "checkout", OTHER)
    action, first, second = BlockArtifacts(), estate.situation(), estate.situation(incident="inc-20261124-zzzz")
    (target,) = targets(action, first)
    before = estate.facts()
    one, other = (intended(action, target, held) for held in (first, second))
    a, b = standing(one, action.apply(one, first)), standing(other, action.apply(other, second))
    grown = replace(first, affected_digests=frozenset({BAD, OTHER}))
    assert action.behind(a, first) == ()
    assert action.behind(a, grown) == (OTHER,)
    assert action.observe(one, grown) is None
    action.apply(one, grown)
    assert action.behind(a, grown) == ()
    mended = replace(grown, patched=frozenset({OTHER}))
    assert "is the mend" in action.differences(one, mended)[0]
    action.apply(one, mended)
    assert estate.facts()["repository checkout"][0][OTHER] == "ACTIVE"
    assert action.observe(one, mended) is not None
    action.apply(one, grown)
    assert "holds it too" in " ".join(action.release(a, first).detail)
    states, _ = estate.facts()["repository checkout"]
    assert states == {BAD: "ARCHIVED", GOOD: "ACTIVE", OTHER: "ACTIVE"}
    action.release(b, second)
    assert estate.facts() == before


def test_a_block_is_behind_what_became_affected_and_not_what_somebody_took_out(estate: Estate) -> None:
    """The scheduled round renews it for the first, and leaves the second to a person."""
    stored(estate)
    place(NUMBER, REGION, "checkout", OTHER)
    action, held = BlockArtifacts(), estate.situation()
    (target,) = targets(action, held)
    intent = intended(action, target, held)
    control = standing(intent, action.apply(intent, held))
    assert action.behind(control, held) == ()
    moved(estate, "STANDARD")
    assert action.behind(control, held) == ()
    grown = replace(held, affected_digests=frozenset({BAD, OTHER}))
    assert action.behind(control, grown) == (OTHER,)


@pytest.mark.parametrize(
    "image", ["docker.io/checkout:1", "999999999999.dkr.ecr.eu-central-1.amazonaws.com/checkout:1"]
)
def test_an_image_from_elsewhere_is_uncovered(estate: Estate, image: str) -> None:
    """Another registry's, or another account's."""
    estate.service(image=image)
    assert "not in an ECR registry of this account" in uncovered(BlockArtifacts(), estate.situation())[0]
