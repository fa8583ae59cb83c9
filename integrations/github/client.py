"""GitHub's REST API: one version of it, its pages, and where it answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.outbound import Service
from integrations.rest import Rest

API = "https://api.github.com"
REPOSITORY = re.compile(r"[A-Za-z0-9-]{1,39}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}", re.ASCII)
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_PER_PAGE, _PAGES = 100, 50


@dataclass(frozen=True, slots=True)
class GitHub:
    """The API as one token sees it."""

    rest: Rest

    @classmethod
    def at(cls, service: Service, hint: str) -> GitHub:
        """That service, spoken to in one version of the API."""
        return cls(Rest(service, hint, _HEADERS))

    def get(self, path: str) -> Any:
        """The document there, or None where there is none (or the token may not see it). Raises UnreachableError."""
        reply = self.rest.ask("GET", path, wanted=(200, 404))
        return None if reply.status == 404 else reply.document  # noqa: PLR2004  (not found)

    def pages(self, path: str, query: Mapping[str, str], inside: str = "") -> Iterator[dict[str, Any]]:
        """Every row of a list, page by page; `inside` is the key under which the rows stand. Raises UnreachableError."""
        for page in range(1, _PAGES + 1):
            asked = {**query, "per_page": str(_PER_PAGE), "page": str(page)}
            document = self.rest.ask("GET", path, query=asked, wanted=(200,)).document
            rows = self.rest.pick(document, inside) if inside else document
            if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
                raise self.rest.unsound("answered without a list")
            yield from rows
            if len(rows) < _PER_PAGE:
                return
        raise self.rest.unsound(f"has more than {_PAGES * _PER_PAGE} rows there")
