"""The measures of the response, and the bundle that proves an incident to someone without the database."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from made import FREEZE, KEY, OPENED, START, Telling, Ticking, plan_for, receipt

from patchgap.errors import BadInputError
from patchgap.incident import bundle, events
from patchgap.incident.ledger import Ledger
from patchgap.incident.metrics import in_words, measures
from patchgap.incident.state import fold
from patchgap.model.plan import Intent
from patchgap.model.unknown import Unknown


def test_the_measures_of_one_incident(telling: Telling, ledger: Ledger) -> None:
    """Seconds run from the signal's receipt; a waived closing is no closing on evidence alone."""
    entries = ledger.read(telling.whole())
    state = fold(entries)
    made = measures([state])
    scoped = next(e.at for e in entries if isinstance(e.body, events.Scoped))
    assert made.to_scope.median == (scoped - START).total_seconds()
    assert made.to_contain[2].median < made.to_contain[1].median  # type: ignore[operator]
    assert (made.closed, made.waived, made.closed_on_evidence.part) == (1, 1, 0)
    assert made.rehearsed == 1
    assert "time to contain, tier 1:" in "\n".join(made.lines())


def test_nothing_measured_is_unknown_and_not_zero() -> None:
    """Without incidents every time and share is Unknown."""
    made = measures([])
    assert all(
        isinstance(v, Unknown) for v in (made.to_scope.median, made.to_converge.worst, made.closed_on_evidence.share)
    )
    assert sum("not known yet" in line for line in made.lines()) == 5


def test_a_dismissal_after_containment_counts_as_in_vain(ledger: Ledger, clock: Ticking) -> None:
    """Only a dismissed incident that something was contained in is a false positive."""
    states = []
    for contained in (True, False):
        incident, _ = ledger.open(KEY, OPENED, "detect")
        if contained:
            for body in (
                events.Planned(plan_for(incident, (FREEZE,))),
                events.IntentMade(Intent(FREEZE, {})),
                events.ReceiptMade(receipt(FREEZE)),
                events.ReleaseIntended(FREEZE.id),
                events.Released(FREEZE.id, receipt(FREEZE)),
            ):
                ledger.append(incident, body, "contain")
        ledger.append(incident, events.Dismissed("a test image", "dana"), "dana")
        clock.wait(60)
        states.append(fold(ledger.read(incident)))
    made = measures(states)
    assert (made.dismissed, made.false_positives.part, made.false_positives.whole) == (2, 1, 1)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(4.21, "4.2 s"), (60, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273_600, "3 d 4 h")],
)
def test_times_are_words(seconds: float, words: str) -> None:
    """Seconds become what a person says."""
    assert in_words(seconds) == words


@pytest.fixture
def key(tmp_path: Path) -> Ed25519PrivateKey:
    return bundle.signing_key(tmp_path)


def test_a_bundle_verifies_with_the_public_key_alone(telling: Telling, ledger: Ledger, key: Ed25519PrivateKey) -> None:
    """Exported twice it is the same text; it holds the whole ledger under the head that it names as its subject."""
    entries = ledger.read(telling.whole())
    text = bundle.export(entries, key)
    statement = json.loads(base64.b64decode(json.loads(text)["payload"]))
    assert bundle.verify(text, key.public_key()) == ()
    assert text == bundle.export(entries, key)
    assert len(statement["predicate"]["ledger"]) == len(entries)
    assert "sha256:" + statement["subject"][0]["digest"]["sha256"] == entries[-1].hash


def test_another_key_did_not_sign_it(telling: Telling, ledger: Ledger, key: Ed25519PrivateKey) -> None:
    """Verification with a stranger's key names the missing signature."""
    text = bundle.export(ledger.read(telling.whole()), key)
    assert "no signature is by the key" in bundle.verify(text, Ed25519PrivateKey.generate().public_key())[0]


def _drop_last(statement: dict[str, Any]) -> None:
    statement["predicate"]["ledger"].pop()


def _word(statement: dict[str, Any]) -> None:
    statement["predicate"]["ledger"][3]["actor"] = "nobody"


def _status(statement: dict[str, Any]) -> None:
    statement["predicate"]["status"] = "open"


def _no_evidence(statement: dict[str, Any]) -> None:
    statement["predicate"]["evidence"] = []


def _subject(statement: dict[str, Any]) -> None:
    statement["subject"][0]["digest"]["sha256"] = "0" * 64


def _empty(statement: dict[str, Any]) -> None:
    statement["predicate"]["ledger"] = []


def _type(statement: dict[str, Any]) -> None:
    statement["predicateType"] = "https://example.org/other"


def _shape(statement: dict[str, Any]) -> None:
    statement["predicate"]["ledger"] = [{"incident": 1}]


CHANGES = [_drop_last, _word, _status, _no_evidence, _subject, _empty, _type, _shape]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("resigned", [False, True])
def test_a_changed_bundle_is_found(
    telling: Telling, ledger: Ledger, key: Ed25519PrivateKey, change: Callable[[dict[str, Any]], None], resigned: bool
) -> None:
    """A change after signing breaks the signature; even signed again, what contradicts the ledger is named."""
    envelope = json.loads(bundle.export(ledger.read(telling.whole()), key))
    statement = json.loads(base64.b64decode(envelope["payload"]))
    change(statement)
    payload = json.dumps(statement).encode()
    envelope["payload"] = base64.b64encode(payload).decode()
    if resigned:
        kind = bundle.PAYLOAD_TYPE
        signed = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
        envelope["signatures"][0]["sig"] = base64.b64encode(key.sign(signed)).decode()
    problems = bundle.verify(json.dumps(envelope), key.public_key())
    assert any("changed after signing" in p for p in problems) is not resigned
    assert [p for p in problems if "signing" not in p]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"payload": "!", "payloadType": "", "signatures": []}', "[" * 5000])
def test_what_is_no_bundle_is_named_so(key: Ed25519PrivateKey, text: str) -> None:
    """Any text at all gives problems, never a traceback."""
    assert bundle.verify(text, key.public_key())


def test_the_signing_key_is_its_owners_alone(tmp_path: Path) -> None:
    """Made once, 0600, kept; one that others can read, or that is none, is refused."""
    first = bundle.signing_key(tmp_path)
    path = tmp_path / "keys" / "evidence.ed25519"
    assert path.stat().st_mode & 0o777 == 0o600
    assert bundle.key_id(bundle.signing_key(tmp_path).public_key()) == bundle.key_id(first.public_key())
    public = bundle.public_key(path.with_name("evidence.ed25519.pub"))
    assert bundle.key_id(public) == bundle.key_id(first.public_key())
    path.chmod(0o644)
    with pytest.raises(BadInputError, match="others can read"):
        bundle.signing_key(tmp_path)
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(BadInputError, match="no PEM private key"):
        bundle.signing_key(tmp_path)
    with pytest.raises(BadInputError, match="no PEM public key"):
        bundle.public_key(path)
