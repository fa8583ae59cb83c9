"""The words of a ticket: jinja2 templates of this package, over plain JSON.

Only the package's own files are ever compiled; text that came with a signal is data, made one line or an indented
block, and cannot format the ticket. What looks like a secret in it is withheld: the ticket is read by more people.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from patchgap.model.codec import plain
from patchgap.redact import without_secrets

MAX_TITLE = 120
MAX_BODY = 64 * 1024
_LINE, _BLOCK = 200, 2_000
_MARKS = str.maketrans(dict.fromkeys("<>[]`*|\\&!#~", "'"))  # what could make a link, a mention or markup of a title
_UNSEEN = {"Cc", "Cf", "Zl", "Zp", "Cs"}  # controls, formats such as bidi overrides, line separators, half surrogates


def render(template: str, context: Mapping[str, Any]) -> tuple[str, str]:
    """Title and body of `templates/<template>.md.j2`, whose first line is the title. Both are cut to their limits, the
    body with a sentence that says so."""
    words = _bounded(template, plain(context))
    title, _, body = words.partition("\n")
    body = body.strip() + "\n"
    if len(body) > MAX_BODY:
        shown = f"`patchgap incident show {context['incident']}`"
        body = f"{body[:MAX_BODY]}\n\nCut here, being long; {shown} has the whole.\n"
    return _line(title.removeprefix("# "), MAX_TITLE), body


def _bounded(template: str, context: Mapping[str, Any]) -> str:
    parts, size = [], 0
    for part in _environment().get_template(f"{template}.md.j2").generate(context):
        parts.append(part)
        size += len(part)
        if size > MAX_BODY + MAX_TITLE:
            break
    return "".join(parts)


def _environment() -> SandboxedEnvironment:
    # Markdown, not HTML: escaping is what the filters below do.
    environment = SandboxedEnvironment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"plain": _plain, "code": _code, "block": _block, "shell": _shell}
    return environment


def _seen(text: str) -> str:
    return "".join(" " if unicodedata.category(c) in _UNSEEN else c for c in text)


def _line(value: object, longest: int = _LINE) -> str:
    """One line of visible characters."""
    text = re.sub(r"\s+", " ", _seen(without_secrets(str(value)))).strip()
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _plain(value: object) -> str:
    """One line for a title, where code cannot be marked as such."""
    return _line(without_secrets(str(value)).translate(_MARKS))


def _code(value: object) -> str:
    """One line as inline code, so that nothing in it is a link, a mention or markup."""
    return f"`{_line(value).replace('`', chr(39)) or '(empty)'}`"


def _block(value: object) -> str:
    """Lines as an indented code block."""
    said = without_secrets(str(value))
    text = said[:_BLOCK] + (" …" if len(said) > _BLOCK else "")
    lines = [_line(line) for line in text.splitlines()]
    return "\n".join("    " + line for line in lines if line) or "    (it says nothing)"


def _shell(value: object) -> str:
    """One word of a shell's command line."""
    return shlex.quote(_line(value))
