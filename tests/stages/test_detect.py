"""Detect: what wakes whom, what joins, what is recorded."""

from __future__ import annotations

import pytest
from estate import BAD, MEND, World, envelope

from patchgap.errors import BadInputError
from patchgap.incident.events import StageFailed
from patchgap.playbook.problems import PlaybookProblems
from patchgap.stages import detect
from patchgap.stages.engine import Engine


def test_an_exploited_package_that_runs_opens_an_incident(engine: Engine, world: World) -> None:
    """A signal about what runs opens an incident whose finding names the workload, though no inventory was cached."""
    world.runs("trainer", BAD)
    found = detect.detect(engine, detect.receive(engine, envelope(), "test"))
    assert found.new
    assert found.incident is not None
    assert engine.inbox.get(found.signal).state == "opened"


def test_what_does_not_run_is_recorded_with_the_reason(engine: Engine, world: World) -> None:
    """A package that no workload includes opens nothing, and the inbox says why."""
    world.runs("trainer", MEND)
    found = detect.detect(engine, detect.receive(engine, envelope(), "test"))
    assert found.incident is None
    row = engine.inbox.get(found.signal)
    assert row.state == "recorded"
    assert "small" in row.reason


def test_another_name_of_the_same_thing_joins(engine: Engine, world: World) -> None:
    """An advisory that shares an alias with an open incident's joins it, once however often it comes."""
    world.runs("trainer", BAD)
    first = detect.detect(engine, detect.receive(engine, envelope(), "test"))
    other = envelope("GHSA-2vj5-px25-gjrp")
    second = detect.detect(engine, detect.receive(engine, other, "test"))
    again = detect.detect(engine, second.signal)
    assert first.incident == second.incident == again.incident
    assert not second.new
    kinds = [e.body.kind for e in engine.ledger.read(first.incident)]  # type: ignore[arg-type]
    assert kinds.count("signal_joined") == 1


def test_the_same_document_by_hand_is_one_signal(engine: Engine, world: World) -> None:
    """Receiving one document twice stores one signal."""
    world.runs("trainer", BAD)
    assert detect.receive(engine, envelope(), "test") == detect.receive(engine, envelope(), "test")


def test_a_malformed_signal_is_refused_and_nothing_is_stored(engine: Engine) -> None:
    """A signal whose advisory names no package is refused by field, and the inbox stays empty."""
    bad = envelope()
    bad["advisory"]["affected"] = "everything"
    with pytest.raises(BadInputError, match="affected"):
        detect.receive(engine, bad, "test")
    assert not engine.inbox.pending()


def test_a_stored_signal_that_cannot_be_read_is_quarantined(engine: Engine, world: World) -> None:
    """What another version stored and this one cannot read is named once, and tried no more; the next one runs."""
    world.runs("trainer", BAD)
    document = envelope() | {"kind": "telepathy"}
    signal, _new = engine.inbox.put("d1", "telepathy", "test", document)
    with pytest.raises(BadInputError, match="kind"):
        detect.detect(engine, signal)
    row = engine.inbox.get(signal)
    assert (row.state, "kind" in row.reason) == ("quarantined", True)
    assert not engine.inbox.pending()
    assert detect.detect(engine, detect.receive(engine, envelope(), "test")).new


def test_unknown_severity_without_exploitation_is_told_to_a_person(engine: Engine, world: World) -> None:
    """An advisory that states no severity wakes the playbook for the worst: unknown is never quietly low."""
    world.runs("trainer", BAD)
    found = detect.detect(engine, detect.receive(engine, envelope(severity="unknown"), "test"))
    assert found.incident is not None


def test_a_playbook_that_cannot_be_read_is_told_and_holds_up_no_other(engine: Engine, world: World) -> None:
    """A broken playbook beside a sound one leaves a failure in the incident's ledger; alone, it keeps the signal."""
    world.runs("trainer", BAD)
    folder = engine.settings.playbooks[0]
    (folder / "broken.yaml").write_text("playbook: [")
    found = detect.detect(engine, detect.receive(engine, envelope(), "test"))
    bodies = [e.body for e in engine.ledger.read(found.incident)]  # type: ignore[arg-type]
    assert any(isinstance(b, StageFailed) for b in bodies)
    (folder / "small.yaml").unlink()
    with pytest.raises(PlaybookProblems, match="broken"):
        detect.detect(engine, detect.receive(engine, envelope("PYSEC-2030-1", aliases=()), "test"))


def test_a_withdrawn_advisory_wakes_nobody(engine: Engine, world: World) -> None:
    """What its publisher took back is recorded with the day, and opens nothing."""
    world.runs("trainer", BAD)
    document = envelope()
    document["advisory"]["withdrawn"] = "2026-11-23T10:00:00Z"
    found = detect.detect(engine, detect.receive(engine, document, "test"))
    assert found.incident is None
    assert "withdrawn on 2026-11-23" in engine.inbox.get(found.signal).reason


def test_where_no_cluster_was_ever_read_a_person_is_woken(engine: Engine, world: World) -> None:
    """Without one cluster nobody can tell whether it runs: a settings file that was not found is no all-clear."""
    world.clusters = ()
    found = detect.detect(engine, detect.receive(engine, envelope(), "test"))
    assert found.incident is not None
    assert "no cluster has been read" in str(engine.ledger.read(found.incident)[0].body)


@pytest.mark.parametrize("field", ["source", "cluster", "namespace", "kind", "name"])
@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "\u202eab"], ids=["two lines", "an escape", "turned round"])
def test_a_name_that_is_not_what_it_looks_like_is_refused(engine: Engine, field: str, text: str) -> None:
    """It would be an incident's key, and words on a terminal; nothing is stored."""
    seen = {"cluster": "c1", "namespace": "ns", "kind": "Pod", "name": "trainer", "observed": "a shell"}
    document = {"kind": "runtime", "source": "falco", "runtime": seen}
    (document if field == "source" else seen)[field] = text
    with pytest.raises(BadInputError, match=f"{field}.*nobody sees"):
        detect.receive(engine, document, "test")
