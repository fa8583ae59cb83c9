"""What flows say and take in, without a server."""

from __future__ import annotations

import pytest

from flows import artifacts, osv_text
from flows.detect import by_hand
from patchgap.errors import BadInputError
from tests.incident.made import TRAINER, action


def test_foreign_text_is_text_in_an_artifact() -> None:
    """Markdown, HTML, a table's bar and a line break from a signal stay words in their cell."""
    shown = artifacts.table(("a",), [("<img src=x> | [x](javascript:1)\n# head `code`",)])
    assert shown.splitlines()[2:] == ["| &lt;img src=x&gt; \\| \\[x\\](javascript:1) \\# head \\`code\\` |"]


def test_what_would_turn_a_line_round_is_shown_in_an_artifact() -> None:
    """In a cell and in the plan that a person approves by the form."""
    asked = action(1, "freeze_deployments", TRAINER, changes=("image \u202e3.2 and \x1b[2J",))
    for shown in (artifacts.cell("image \u202e3.2 and \x1b[2J"), artifacts.diff([asked])):
        assert not {"\u202e", "\x1b"} & set(shown)
        assert "u202e3.2" in shown


def test_a_long_table_says_what_it_leaves_out() -> None:
    """No row is dropped in silence."""
    assert "7 more rows" in artifacts.table(("a",), [("x",)] * 507)


def test_a_plan_in_a_narrow_form_is_whole() -> None:
    """A person who approves reads every word of every target: a line is broken, never cut, and keeps its sign."""
    changes = ("ValidatingAdmissionPolicy patchgap-inc-20260101-abcd-freeze-staging-deployment-trainer is created",)
    asked = action(1, "freeze_deployments", TRAINER, changes=changes)
    wide, narrow = artifacts.diff([asked]).splitlines(), artifacts.diff([asked], 44).splitlines()
    assert max(len(line) for line in narrow) <= 44
    assert "".join(narrow).replace("~   ", "").replace(" ", "") == "".join(wide).replace(" ", "")
    assert sum(line.startswith("~ ") for line in narrow) > 1


def test_a_package_by_hand_is_one_document() -> None:
    """The same package and versions make the same advisory, whatever the order, and no versions make none."""
    assert by_hand("PyPI/evil", ["2", "1"]) == by_hand("PyPI/evil", ["1", "2"])
    with pytest.raises(BadInputError, match="List the affected versions of evil"):
        by_hand("PyPI/evil", [])


def test_an_advisory_in_yaml_becomes_plain_json() -> None:
    """Times become strings as OSV writes them, and what is no advisory is refused by name."""
    text = "id: PYSEC-1\nmodified: 2021-12-23T18:15:00Z\naffected:\n- package: {ecosystem: PyPI, name: x}\n"
    assert osv_text.document(text, "here")["modified"] == "2021-12-23T18:15:00Z"
    with pytest.raises(BadInputError, match="here"):
        osv_text.document("- 1\n", "here")
