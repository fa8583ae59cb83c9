"""Text as Slack shows it without reading it: plain text and preformatted text, never its markup."""

from __future__ import annotations

from typing import Any

_TITLE, _BODY = 150, 2_900  # characters of a header and of a block's text that Slack takes


def escaped(text: str) -> str:
    """For the one field that is always markup: nothing in it is a mention, a link or a channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def blocks(title: str, body: str) -> list[dict[str, Any]]:
    """A header and, where there is a body, a preformatted block; both hold text that Slack does not interpret."""
    head = {"type": "header", "text": {"type": "plain_text", "text": _cut(title, _TITLE) or "-", "emoji": False}}
    if not body:
        return [head]
    text = {"type": "text", "text": _cut(body, _BODY)}
    return [head, {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [text]}]}]


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
