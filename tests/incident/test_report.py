"""The report: one page that holds for any incident at any moment, and in which a signal's words are data."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from made import FINDING, KEY, OPENED, START, TRAINER, Telling, exposure, signal, workload

from patchgap.incident import events, report
from patchgap.incident.ledger import Entry, Ledger
from patchgap.incident.picture import exposure as exposure_picture
from patchgap.incident.state import fold
from patchgap.model.claimed import PLATFORM
from patchgap.model.exposure import short

NOW = START + timedelta(hours=2)
FORECASTING = "pkg:pypi/pytorch-forecasting@0.9.2"
VOID = {"meta", "br", "circle", "line", "path", "rect"}


class Balanced(HTMLParser):
    """Whether each element that opens is closed in its place; collects tags and the words that are shown."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onload", "onerror", "onclick"}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def _page(entries: tuple[Entry, ...]) -> Balanced:
    page = Balanced(report.render(fold(entries), entries, NOW))
    assert page.open == []
    return page


def test_every_prefix_of_a_ledger_has_a_page(telling: Telling, ledger: Ledger) -> None:
    """A report can be made at any moment of an incident; each names the head that it was made from."""
    entries = ledger.read(telling.whole())
    for count in range(1, len(entries) + 1):
        page = _page(entries[:count])
        assert entries[count - 1].hash in page.text
        assert "script" not in page.tags


def test_what_an_auditor_looks_for_is_there(telling: Telling, ledger: Ledger) -> None:
    """Status, chain, tier, digests, outcomes, refused closings with every reason, what stays and until when."""
    text = _page(ledger.read(telling.whole())).text
    for words in (
        "Closed on one piece of runtime evidence, without signals_at_baseline, which was waived.",
        "trainer → ml-platform 4.2.0 → pytorch-lightning 1.5.2",
        "writes to model-registry",
        "data scope is sensitive",
        "no SBOM is known for it",
        "approved by dana, asked by sam",
        "a CronJob has no pod to isolate",
        "a person is called at 2026-12-24 07:10:00 UTC; it stays until a person ends it",
        "Closing was refused",
        "digests_retired: no evidence was taken",
        "the ticket system answered 503",
        "was waived by dana until 2026-11-25 07:10:00 UTC",
        "A rehearsal: waiting times were shortened.",
    ):
        assert words in text


def test_an_open_incident_says_what_is_missing(telling: Telling, ledger: Ledger) -> None:
    """Every missing proof stands at the top."""
    text = _page(ledger.read(telling.whole(until=events.CloseRefused))).text
    assert "Open: 2 proofs are missing." in text
    assert text.index("What is still missing") < text.index("8 pods of") < text.index("The response")


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "{{ 7 * 7 }}{% raw %}", '"><svg onload=alert(1)>', "'; --"]
)
def test_a_signals_words_are_data(ledger: Ledger, hostile: str) -> None:
    """Markup and template code that came with a signal are shown as they came, and do nothing."""
    loud = replace(signal(), source=hostile, advisory=replace(signal().advisory, id=hostile, summary=hostile))  # type: ignore[type-var]
    named = replace(TRAINER, ref=replace(TRAINER.ref, name=hostile))
    finding = replace(FINDING, signal=loud, exposures=(exposure(named),))
    incident, _ = ledger.open(KEY, replace(OPENED, finding=finding), hostile)
    page = _page(ledger.read(incident))
    assert "script" not in page.tags
    assert page.text.count(" ".join(hostile.split())) >= 5
    assert "49" not in re.sub(r"[0-9a-f]{12,}|\d\d:\d\d:\d\d", "", page.text)


def test_what_would_hide_or_turn_round_a_text_is_shown_as_an_escape(ledger: Ledger) -> None:
    """As on a terminal; a line's end stays one."""
    loud = replace(signal(), advisory=replace(signal().advisory, summary="exe.\u202egnp \x1b[2Jgone\nnext"))  # type: ignore[type-var]
    incident, _ = ledger.open(KEY, replace(OPENED, finding=replace(FINDING, signal=loud)), "detect")
    entries = ledger.read(incident)
    page = report.render(fold(entries), entries, NOW)
    assert r"exe.\u202egnp \x1b[2Jgone" in page
    assert not {"\u202e", "\x1b"} & set(page)
    assert r"gone\n" not in page


def test_a_huge_incident_still_has_a_small_page(ledger: Ledger) -> None:
    """Long texts and tables are cut, and the page says how much is left out."""
    many = tuple(exposure(workload(f"w-{n}", "batch")) for n in range(700))
    loud = replace(signal(), advisory=replace(signal().advisory, summary="a" * 100_000))  # type: ignore[type-var]
    finding = replace(FINDING, signal=loud, exposures=many)
    incident, _ = ledger.open(KEY, replace(OPENED, finding=finding), "detect")
    entries = ledger.read(incident)
    page = report.render(fold(entries), entries, NOW)
    assert len(page) < 600_000
    assert "400 more workloads are in the ledger." in page
    assert "680 more workloads are in the table alone." in page
    assert "(cut; the ledger has it whole)" in page


def test_a_scope_without_exposures_is_not_called_clean(ledger: Ledger) -> None:
    """Nothing known is said as that, with what could not be told."""
    incident, _ = ledger.open(KEY, replace(OPENED, finding=replace(FINDING, exposures=())), "detect")
    text = _page(ledger.read(incident)).text
    assert "No exposure is known; what could not be told is listed below." in text
    assert "What could not be told" in text


def test_a_dismissal_says_who_and_why(ledger: Ledger) -> None:
    """The headline of a dismissed incident is its reason."""
    incident, _ = ledger.open(KEY, OPENED, "detect")
    ledger.append(incident, events.Dismissed("the image is a test fixture", "dana"), "dana")
    assert "Dismissed by dana: the image is a test fixture" in _page(ledger.read(incident)).text


@pytest.mark.parametrize(
    ("purl", "words"),
    [
        ("pkg:pypi/pytorch-lightning@1.5.2", "pytorch-lightning 1.5.2"),
        ("pkg:npm/%40babel/core@7.0.0?arch=x#sub", "@babel/core 7.0.0"),
        ("pkg:npm/@babel/core", "@babel/core"),
        ("pkg:pypi/torch?x=1@2", "torch"),
        ("pkg:docker/nginx@1.25", "nginx 1.25"),
        ("pkg:oci/trainer", "trainer"),
        ("pkg:oci/trainer@sha256%3A45541ea0d165", "trainer"),
        ("pkg:oci/trainer@sha256:45541ea0d165?repository_url=registry.example.org/ml/trainer", "trainer"),
        ("trainer 1.0", "trainer 1.0"),
    ],
)
def test_a_purl_is_shown_as_a_person_names_it(purl: str, words: str) -> None:
    """Name and version, without the rest."""
    assert short(purl) == words


def test_the_picture_shows_usual_names_whole_and_cuts_long_ones(ledger: Ledger) -> None:
    """A GHSA id, and a package with its version, fit their boxes; a longer name is cut and whole in the title."""
    long = "pkg:pypi/a-very-long-distribution-name@2026.11.24"
    chains = (("pkg:oci/t", between, "pkg:pypi/pytorch-lightning@1.5.2") for between in (FORECASTING, long))
    exposures = tuple(replace(exposure(workload(f"w-{n}", "ns")), chains=(c,)) for n, c in enumerate(chains))
    named = replace(signal(), advisory=replace(signal().advisory, id="GHSA-r5qj-cvf9-p85h"))  # type: ignore[type-var]
    incident, _ = ledger.open(KEY, replace(OPENED, finding=replace(FINDING, signal=named, exposures=exposures)), "d")
    boxes = exposure_picture(fold(ledger.read(incident)))["boxes"]
    shown = {box["text"] for box in boxes}
    assert {"GHSA-r5qj-cvf9-p85h", "pytorch-lightning 1.5.2", "pytorch-forecasting 0.9.2"} <= shown
    assert [box["whole"].split(" → ")[1] for box in boxes if box["text"].endswith("…")] == [long]
    assert all(box["x"] + box["width"] <= 1000 for box in boxes)


@pytest.mark.parametrize(("platform", "told"), [(PLATFORM, "unknown of 8"), ("kubernetes", "8 of 8")])
def test_what_a_document_claims_is_not_told_as_running(ledger: Ledger, platform: str, told: str) -> None:
    """Nobody counted its replicas; those that a cluster told of are counted."""
    of = replace(TRAINER, ref=replace(TRAINER.ref, platform=platform))
    incident, _ = ledger.open(KEY, replace(OPENED, finding=replace(FINDING, exposures=(exposure(of),))), "detect")
    assert told in _page(ledger.read(incident)).text
