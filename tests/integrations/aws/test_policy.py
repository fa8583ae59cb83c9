"""The IAM policy that `patchgap permissions aws` prints is made of the lines that the AWS verbs declare."""

from __future__ import annotations

from typing import Any

from integrations.aws.policy import document
from patchgap.playbook.language import Playbook
from patchgap.playbook.needs import needs
from patchgap.registry import Registry


class Verb:
    def __init__(self, verb: str, inverse: str, *permissions: str) -> None:
        self.verb, self.platform, self.inverse, self.permissions = verb, "aws", inverse, permissions


def registered(*verbs: Verb) -> Registry:
    actions: Any = {v.verb: {"aws": v} for v in verbs}
    return Registry(actions, {"gone": {"aws": Verb("gone", "", "ecs:ListTasks")}})  # type: ignore[dict-item]


SCALE = Verb("scale_to_zero", "restore_scale", "ecs:UpdateService", "ecs:DescribeServices")
ROTATE = Verb("rotate_credentials", "", "iam:CreateAccessKey on arn:aws:iam::*:user/*")


def playbook(verb: str) -> Playbook:
    verify = {"every": "1m", "within": "24h", "fresh_within": "5m", "all_of": [{"verb": "gone"}]}
    tiers = [{"tier": 1, "contain": [{"verb": verb}]}]
    detect = {"on": ["advisory"]}
    head = {"playbook": "p", "version": 1, "summary": "A.", "owner": "o", "detect": detect}
    return Playbook.model_validate({**head, "tiers": tiers, "verify": verify})


def test_a_statement_holds_the_lines_of_one_narrowing() -> None:
    """Actions without one may be done to every resource; an ARN and a condition make statements of their own."""
    made = document(
        [
            "ecs:UpdateService",
            "ecs:DescribeServices",
            "iam:CreateAccessKey on arn:aws:iam::*:user/*",
            "ecs:TagResource if StringEquals aws:ResourceTag/team=ml",
        ]
    )
    by = {tuple(s["Action"]): s for s in made["Statement"]}
    assert made["Version"] == "2012-10-17"
    assert by["ecs:DescribeServices", "ecs:UpdateService"]["Resource"] == "*"
    assert by["iam:CreateAccessKey",]["Resource"] == "arn:aws:iam::*:user/*"
    assert by["ecs:TagResource",]["Condition"] == {"StringEquals": {"aws:ResourceTag/team": "ml"}}
    assert len({s["Sid"] for s in made["Statement"]}) == 3


def test_a_playbook_needs_its_own_verbs_alone() -> None:
    """What no playbook in use names is not asked for; its checks are."""
    needed = needs(registered(SCALE, ROTATE), "aws", [playbook("scale_to_zero")])
    assert needed.lines == ("ecs:UpdateService", "ecs:DescribeServices", "ecs:ListTasks")
    assert set(ROTATE.permissions) < set(needs(registered(SCALE, ROTATE), "aws").lines)
