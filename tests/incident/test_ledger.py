"""The ledger keeps what it was told, and shows every change of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier, Thread

import made
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made import FINDING, KEY, OPENED, Telling, Ticking, ledger_in, signal

from patchgap.errors import BadInputError, BrokenLedgerError, NotFoundError, RefusedError
from patchgap.incident import events
from patchgap.incident.ledger import Ledger
from patchgap.model.codec import canonical, plain
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Intent, Outcome
from patchgap.model.unknown import Unknown
from patchgap.redact import SecretError, secret_in, withheld, without_secrets
from tests.growth import grows_straight

COLUMNS = ("incident", "seq", "previous", "hash", "at", "actor", "body")


def test_what_was_told_is_read_back(telling: Telling, ledger: Ledger) -> None:
    """Entries read back in order, each following the one before, with their bodies equal to what was given."""
    incident = telling.whole()
    entries = ledger.read(incident)
    assert [e.seq for e in entries] == list(range(1, len(entries) + 1))
    assert all(b.previous == a.hash for a, b in pairwise(entries))
    assert entries[0].body == OPENED
    assert next(e.body for e in entries if isinstance(e.body, events.PatchNamed)).sbom_ref == "sbom-17"
    assert ledger.verify() == ()


def test_a_repeated_finding_joins_the_open_incident(ledger: Ledger) -> None:
    """The same key, or any alias of the advisory, finds the incident that is open."""
    incident, new = ledger.open(KEY, OPENED, "detect")
    by_alias = replace(OPENED, finding=replace(FINDING, key="advisory:GHSA-r5qj-cvf9-p85h", signal=signal(3, ())))
    assert new
    assert ledger.open(KEY, OPENED, "detect") == (incident, False)
    assert ledger.open("advisory:GHSA-r5qj-cvf9-p85h", by_alias, "detect") == (incident, False)


def test_an_alias_that_a_joined_signal_brings_is_known_from_then_on(ledger: Ledger) -> None:
    """A joined signal's aliases lead to the incident too."""
    incident, _ = ledger.open(KEY, OPENED, "detect")
    ledger.append(incident, events.SignalJoined(signal(2, ("SNYK-1",))), "detect")
    late = replace(
        OPENED, finding=replace(FINDING, key="advisory:SNYK-1", signal=replace(signal(4, ()), advisory=None))
    )
    assert ledger.open("advisory:SNYK-1", late, "detect") == (incident, False)


@pytest.mark.parametrize("ending", [events.Closed(("sha256:e",)), events.Dismissed("a test image", "dana")])
def test_an_ended_incident_takes_no_entry_and_frees_its_key(ledger: Ledger, ending: events.Body) -> None:
    """After the end every append is refused, and the same finding opens another incident."""
    incident, _ = ledger.open(KEY, OPENED, "detect")
    ledger.append(incident, ending, "dana")
    with pytest.raises(RefusedError, match=ending.kind):
        ledger.append(incident, events.PersonCalled("late"), "dana")
    second, new = ledger.open(KEY, OPENED, "detect")
    assert new
    assert second != incident
    assert [row.status for row in ledger.incidents()] == [ending.kind, "open"]


def test_a_decision_is_dropped_where_something_slipped_in(ledger: Ledger) -> None:
    """`append_if` writes on the expected head alone."""
    incident, _ = ledger.open(KEY, OPENED, "detect")
    head = ledger.read(incident)[-1].hash
    ledger.append(incident, events.PersonCalled("in between"), "contain")
    assert ledger.append_if(incident, head, events.Closed(("sha256:e",)), "recover") is None
    assert len(ledger.read(incident)) == 2


def test_a_second_opening_and_a_stranger_are_refused(ledger: Ledger) -> None:
    """An incident is opened once, and an unknown one is not found."""
    incident, _ = ledger.open(KEY, OPENED, "detect")
    with pytest.raises(RefusedError, match="open already"):
        ledger.append(incident, OPENED, "detect")
    for ask in (ledger.read, ledger.verify):
        with pytest.raises(NotFoundError, match="inc-none"):
            ask(IncidentId("inc-none"))


SECRETS = [
    "Authorization: Bearer c2VjcmV0LXRva2VuLXZhbHVlLWhlcmU",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJlLWhlcmU",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "a" * 36,
    "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "postgresql://patchgap:hunter22@db.example/patchgap",
    "redis://:hunter22@cache.example",
    "HTTPS://patchgap:hunter22@api.example",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_what_looks_like_a_secret_is_refused_unrepeated(ledger: Ledger, secret: str) -> None:
    """An intent or a receipt that holds a credential is refused, and the error does not repeat it."""
    incident, _ = ledger.open(KEY, OPENED, "detect")
    bodies = (
        events.IntentMade(Intent(made.FREEZE, {"env": {"value": secret}})),
        events.ReceiptMade(made.receipt(made.FREEZE, Outcome.DONE, secret)),
    )
    for body in bodies:
        with pytest.raises(SecretError) as refused:
            ledger.append(incident, body, "contain")
        assert secret[-12:] not in str(refused.value)
    assert len(ledger.read(incident)) == 1


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_that_a_signal_quotes_is_withheld_and_the_signal_kept(ledger: Ledger, secret: str) -> None:
    """An advisory, a name in a cluster or an error may quote a token: all else is recorded, and what kind it was."""
    loud = replace(signal(), advisory=replace(signal().advisory, details=f"before\n{secret} after"))  # type: ignore[type-var]
    finding = replace(FINDING, signal=loud)
    incident, new = ledger.open(f"key:{secret}", replace(OPENED, finding=finding), "detect")
    assert ledger.open(f"key:{secret}", replace(OPENED, finding=finding), "detect") == (incident, False)
    assert secret not in ledger.incidents()[0].key
    ledger.append(incident, events.SignalJoined(loud), "detect")
    ledger.append(incident, events.Scoped(finding, unknown=(Unknown("cluster c1", f"it said {secret}"),)), "scope")
    assert new
    kept = canonical(plain([e.body for e in ledger.read(incident)])).decode()
    assert kept.count(", withheld)") == 4
    assert kept.count("before") == 3
    assert secret.rsplit(maxsplit=1)[-1] not in kept


@pytest.mark.parametrize(
    "text",
    [
        "eyJ-" * 50_000,
        "a." * 100_000 + "://",
        "://" * 60_000,
        "://a:" * 60_000,
        "Bearer " * 30_000,
        "-----BEGIN A" * 20_000,
    ],
)
@pytest.mark.parametrize("read", [without_secrets, secret_in])
def test_a_text_made_to_look_like_secrets_costs_no_more_than_its_length(read: Callable[[str], str], text: str) -> None:
    """Who writes a signal may want it to be read for ever."""
    assert grows_straight(lambda size: read(text[-size:]), len(text))


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_found_wherever_it_stands(secret: str) -> None:
    """Between other words, after a line's end, and beside what looks like the mark of another."""
    for text in (f"eyJ ghp_ {secret}", f"a line\n{secret}\n", f'"https://x.example {secret} AKIA"'):
        assert secret_in(json.dumps(text)), text
        assert secret not in without_secrets(text)


def test_two_names_that_are_withheld_stay_two() -> None:
    """What stands under the second is not lost for the first."""
    assert withheld({"ghp_" + "a" * 36: 1, "ghp_" + "b" * 36: 2}) == {
        "(a GitHub token, withheld)": 1,
        "(a GitHub token, withheld) 2": 2,
    }


def test_what_has_no_canonical_form_is_refused_with_a_clear_error(ledger: Ledger) -> None:
    """A number that is none, a time without a zone, half a character: refused, and nothing is written."""
    incident, _ = ledger.open(KEY, OPENED, "detect")
    naive = datetime(2026, 1, 1)  # noqa: DTZ001  (the point)
    for body in (
        events.Scoped(FINDING, seconds=float("nan")),
        events.Waived("package_absent", "why", "dana", naive),
        events.PersonCalled("half \ud800 a character"),
    ):
        with pytest.raises(BadInputError, match="cannot be recorded"):
            ledger.append(incident, body, "dana")
    assert len(ledger.read(incident)) == 1


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ledger, IncidentId]:
    folder = tmp_path_factory.mktemp("told")
    clock = Ticking()
    ledger = ledger_in(folder, clock)
    return folder / "patchgap.db", ledger, Telling(ledger, clock).whole()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_of_any_character_is_found(told: tuple[Path, Ledger, IncidentId], data: st.DataObject) -> None:
    """Whatever single character of whatever column of whatever entry differs, reading refuses and verify names it."""
    path, ledger, incident = told
    with closing(sqlite3.connect(path)) as raw:
        rows = raw.execute("SELECT rowid, * FROM entry ORDER BY seq").fetchall()
        row = data.draw(st.sampled_from(rows))
        column = data.draw(st.sampled_from(COLUMNS))
        before = row[COLUMNS.index(column) + 1]
        after = _changed(data, before)
        raw.execute(f"UPDATE entry SET {column} = ? WHERE rowid = ?", (after, row[0]))  # noqa: S608  (our own names)
        raw.commit()
        try:
            with pytest.raises((BrokenLedgerError, NotFoundError)):
                ledger.read(incident)
            assert any(p.incident in (incident, after) for p in ledger.verify())
        finally:
            raw.execute(f"UPDATE entry SET {column} = ? WHERE rowid = ?", (before, row[0]))  # noqa: S608
            raw.commit()
    assert ledger.verify() == ()


def _changed(data: st.DataObject, before: str | int) -> str | int:
    if isinstance(before, int):
        return data.draw(st.integers(-5, 2**31).filter(lambda n: n != before)) + 100_000
    place = data.draw(st.integers(0, len(before)))
    if place < len(before) and data.draw(st.booleans()):
        return before[:place] + before[place + 1 :]
    letter = data.draw(st.characters(codec="utf-8", exclude_characters="\0"))
    kept = before[place + 1 :] if data.draw(st.booleans()) else before[place:]
    after = before[:place] + letter + kept
    return after if after != before else before + " "


TAMPERS = {
    "a cut tail": "DELETE FROM entry WHERE seq = (SELECT max(seq) FROM entry)",
    "a cut middle": "DELETE FROM entry WHERE seq = 4",
    "a cut beginning": "DELETE FROM entry WHERE seq = 1",
    "everything cut": "DELETE FROM entry",
    "a cut tail with its end moved": "DELETE FROM entry WHERE seq > 5; UPDATE incident SET seq = 5",
    "a reopened incident": "UPDATE incident SET status = 'open'",
    "another time of opening": "UPDATE incident SET opened_at = '2020-01-01T00:00:00Z'",
    "a row cut from under its entries": "DELETE FROM incident_key; DELETE FROM incident",
    "bytes that are no text": "UPDATE entry SET body = CAST(x'ff' AS TEXT) WHERE seq = 2",
    "a body that is bytes": "UPDATE entry SET body = CAST(body AS BLOB) WHERE seq = 2",
}


@pytest.mark.parametrize("script", TAMPERS.values(), ids=TAMPERS.keys())
def test_tampering_by_statement_is_found(telling: Telling, ledger: Ledger, tmp_path: Path, script: str) -> None:
    """A ledger that was cut, moved or relabelled from outside is named by verify and refused by read."""
    incident = telling.whole()
    with closing(sqlite3.connect(tmp_path / "patchgap.db")) as raw:
        raw.executescript(script)
    assert {p.incident for p in ledger.verify()} == {incident}
    with pytest.raises((BrokenLedgerError, NotFoundError)):
        ledger.read(incident)


def test_under_a_lease_a_ledger_is_read_whole_once_and_then_on_from_its_end(telling: Telling, tmp_path: Path) -> None:
    """What others add is read; what was verified is not read again before the next lease; an end that was changed is
    found at once."""
    incident = telling.whole(until=events.Planned)
    ledger, other = ledger_in(tmp_path), ledger_in(tmp_path)
    mine = ledger.under(1)
    first = mine.read(incident)
    other.append(incident, events.PersonCalled("x"), "other")
    grown = mine.read(incident)
    assert [e.seq for e in grown[len(first) :]] == [len(first) + 1]
    assert all(a is b for a, b in zip(first, grown, strict=False))
    with closing(sqlite3.connect(tmp_path / "patchgap.db")) as raw:
        raw.executescript("UPDATE entry SET actor = 'mallory' WHERE seq = 2")
    assert mine.read(incident) == grown
    for reader in (ledger.under(2), ledger):
        with pytest.raises(BrokenLedgerError, match="entry 2"):
            reader.read(incident)
    with closing(sqlite3.connect(tmp_path / "patchgap.db")) as raw:
        raw.executescript(TAMPERS["a cut tail"])
    with pytest.raises(BrokenLedgerError):
        mine.read(incident)


def test_nothing_is_added_to_a_cut_tail(telling: Telling, ledger: Ledger, tmp_path: Path) -> None:
    """Where the end is not the one recorded, an append refuses instead of covering the gap."""
    incident = telling.whole(until=events.Planned)
    with closing(sqlite3.connect(tmp_path / "patchgap.db")) as raw:
        raw.executescript(TAMPERS["a cut tail"])
    with pytest.raises(BrokenLedgerError, match="does not end where it should"):
        ledger.append(incident, events.PersonCalled("x"), "contain")


def test_threads_that_race_never_fork_a_chain(ledger: Ledger) -> None:
    """Many writers at once: every entry is kept, once, in one chain."""
    incident, _ = ledger.open(KEY, OPENED, "detect")
    start = Barrier(4)

    def write(name: str) -> None:
        start.wait()
        for number in range(8):
            ledger.append(incident, events.PersonCalled(f"{name}-{number}"), name)

    threads = [Thread(target=write, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    called = [e.body.why for e in ledger.read(incident) if isinstance(e.body, events.PersonCalled)]
    assert sorted(called) == sorted(f"w{n}-{m}" for n in range(4) for m in range(8))


def _open_and_append(folder: str, name: str) -> None:
    ledger = ledger_in(Path(folder))
    incident, _ = ledger.open(KEY, OPENED, name)
    for number in range(5):
        ledger.append(incident, events.PersonCalled(f"{name}-{number}"), name)


def test_processes_that_race_open_one_incident_with_one_chain(tmp_path: Path) -> None:
    """Two processes on one new database: one incident, one chain, nothing lost."""
    spawn = get_context("spawn")
    writers = [spawn.Process(target=_open_and_append, args=(str(tmp_path), f"p{n}")) for n in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    ledger = ledger_in(tmp_path)
    assert [w.exitcode for w in writers] == [0, 0]
    assert [len(ledger.read(row.id)) for row in ledger.incidents()] == [11]
