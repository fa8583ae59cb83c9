"""Tables: for a person within 80 columns, and as CSV for a program or a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from patchgap.cli.output import WIDTH, safe

_FORMULA = re.compile(r"[=+\-@\t\r]")  # what a spreadsheet would calculate
_SCOPED = re.compile(r"@[\w.~-]+/[\w.~-]+(?:@[\w.+~-]+)?")  # an npm name is none
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_GAP = 2


def csv_of(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A heading and the rows, a column that one lacks empty; RFC 4180. Several values stand in one cell with `; ` between.
    Foreign text that a spreadsheet would take for a formula starts with a quote mark."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        value = "; ".join(str(one) for one in value)
    text = str(value)
    is_formula = _FORMULA.match(text) and not _SCOPED.fullmatch(text) and not _NUMBER.fullmatch(text)
    return f"'{text}" if is_formula else text


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], indent: str = "") -> list[str]:
    """Lines within 80 columns: numbers to the right, every column as wide as it must be, the last one wrapped."""
    told = [[safe(str(cell)) for cell in row] for row in rows]
    numeric = [all(isinstance(row[n], int) for row in rows) for n in range(len(headings))]
    widths = [max(len(heading), *(len(row[n]) for row in told)) for n, heading in enumerate(headings)] if told else []
    lines = []
    for row in (list(headings), *told) if told else ():
        head = indent
        for n, cell in enumerate(row[:-1]):
            head += (cell.rjust(widths[n]) if numeric[n] else cell.ljust(widths[n])) + " " * _GAP
        last = row[-1].rjust(widths[-1]) if numeric[-1] else row[-1]
        hanging = " " * len(head)
        lines += (
            textwrap.wrap(
                last, max(WIDTH, len(head) + 12), initial_indent=head, subsequent_indent=hanging,
                break_long_words=False, break_on_hyphens=False,
            )
            or [head.rstrip()]
        )  # fmt: skip
    return lines
