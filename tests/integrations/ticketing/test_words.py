"""What a ticket says: nothing of a signal is compiled, and nothing of it formats the page."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from ticket_scene import advisory, exposure, intent, situation

from integrations.ticketing.actions.open_incident import OpenIncident
from integrations.ticketing.sinks.file import FileSink
from integrations.ticketing.words import MAX_BODY, MAX_TITLE, render
from patchgap.model.exposure import Exposure
from patchgap.model.signal import Advisory


def page(folder: Path, told: Advisory, *exposures: Exposure) -> str:
    held = situation(FileSink(folder), told, exposures)
    OpenIncident().apply(intent(held), held)
    (ticket,) = folder.glob("*.md")
    return ticket.read_text(encoding="utf-8")


def test_a_template_in_a_signal_stays_text(tmp_path: Path) -> None:
    """What looks like a template in an advisory reaches the ticket as it was written."""
    wild = "{{ 7 * 7 }} {% for x in y %} {{ ''.__class__.__mro__ }} {# gone? #}"
    text = page(tmp_path, advisory(summary=wild, aliases=("{{ config }}",)))
    assert f"    {wild}" in text
    assert "`{{ config }}`" in text


MARKUP = [
    "# Heading",
    "[click](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "<script>alert(1)</script>",
    "`code` ``` fence",
    "| a | table |",
    "@channel <!here> <@U123>",
    "a\n\n# Heading\n\n- [click](https://evil.example)",
    "a\r# Heading",
    "a\u2028# Heading",
    "a\u202egnp.exe",
]


@pytest.mark.parametrize("text", MARKUP)
def test_foreign_text_formats_nothing(tmp_path: Path, text: str) -> None:
    """As the id, alias, summary or a component's name it is inside code, or its marks are gone."""
    told = advisory(id=text, aliases=(text,), summary=text)
    ticket = page(tmp_path, told, exposure(purl="", name=text, version="1"))
    for line in ticket.splitlines():
        outside = "".join(line.split("`")[::2])  # inline code is paired on its line
        if not line.startswith("    ") and not line.startswith(("# SEV1: ", "## ")):
            assert not set(outside) & set("<>[]|@#!\\"), line
    assert [line for line in ticket.splitlines() if line.startswith("# ")] == [ticket.splitlines()[0]]
    assert not set("<>[]`|!\\\r\u2028\u202e") & set(ticket.splitlines()[0])
    assert "\r" not in ticket
    assert "\u202e" not in ticket


def test_a_container_and_a_place_are_code_too(tmp_path: Path) -> None:
    """Names that a control plane gave are shown as names."""
    text = page(tmp_path, advisory(), exposure())
    assert "`production`" in text
    assert "in container `app`" in text


def test_a_shell_word_from_an_sbom_stays_one_word(tmp_path: Path) -> None:
    """The command to copy holds a component's name quoted, on its line."""
    text = page(tmp_path, advisory(), exposure(purl="", name="x; rm -rf ~\n$(reboot)", version="1"))
    assert "    patchgap exposure 'x; rm -rf ~ $(reboot)'\n" in text


def test_an_advisory_of_nothing_but_space_says_so(tmp_path: Path) -> None:
    """The block is never empty: what follows it would take its place."""
    assert "    (it says nothing)\n" in page(tmp_path, advisory(summary=" \n\t", details="\u200b"))


def test_an_advisory_that_tells_without_end_is_cut(tmp_path: Path) -> None:
    """Details of megabytes are some lines of a ticket."""
    assert len(page(tmp_path, advisory(summary="", details="word " * 1_000_000))) < 8_000


def test_a_ticket_of_many_workloads_names_the_first_and_counts_the_rest(tmp_path: Path) -> None:
    """Fifty are named, the others are counted, and the title counts all."""
    text = page(tmp_path, advisory(), *(exposure(n) for n in range(70)))
    assert text.count("`prod-ml-eu/training/Deployment/") == 50
    assert "- and 20 more" in text
    assert "in 70 workloads" in text.splitlines()[0]


def test_a_long_page_is_cut_and_says_so(tmp_path: Path) -> None:
    """Over the limit the page ends with the command that shows the whole."""
    many = [exposure(n, purl="", name=f"{c}{'x' * 190}", version="1") for n in range(50) for c in range(10)]
    text = page(tmp_path, advisory(), *many)
    assert len(text) < MAX_BODY + 500
    assert text.endswith("Cut here, being long; `patchgap incident show inc-20261124-7k3f` has the whole.\n")


def test_a_title_has_its_limit(tmp_path: Path) -> None:
    """An id without end is cut with a sign of it."""
    title = page(tmp_path, advisory(id="A" * 5_000)).splitlines()[0].removeprefix("# ")
    assert len(title) == MAX_TITLE
    assert title.endswith("…")


def test_what_is_no_plain_data_is_not_rendered() -> None:
    """An object with methods never reaches a template: only plain JSON does."""
    with pytest.raises(TypeError, match="no canonical JSON form"):
        render("ticket", {"incident": timedelta(1)})


@pytest.mark.parametrize(
    ("secret", "kind", "value"),
    [
        ("ghp_" + "a1" * 20, "a GitHub token", "ghp_"),
        ("Bearer " + "t0k3n" * 6, "a bearer token", "t0k3n"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEv" + "Qa" * 20 + "\n-----END PRIVATE KEY-----", "a private key", "MIIE"),
        ("https://bot:hunter2@registry.example", "a URL with a password", "hunter2"),
    ],
)
def test_a_secret_in_a_signal_stays_out_of_the_ticket(tmp_path: Path, secret: str, kind: str, value: str) -> None:
    """A signal's text may quote one, across the line at which it is cut too; the ticket says its kind alone."""
    text = page(tmp_path, advisory(summary=f"{'x ' * 90}ran with {secret} there", aliases=(secret,)))
    assert kind in text
    assert value not in text
