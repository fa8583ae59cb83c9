"""Faults of a drill, as a person writes them: `KIND@WHERE[#N][xM]`.

Owns the words: which kind, at which of patchgap's own requests, from the Nth on, M times in a row. What a fault does is
the rehearsal cluster's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from integrations.rehearsal import RehearsalCluster
from integrations.rehearsal.faults import BY_NAME, Planned
from patchgap.errors import BadInputError

GRAMMAR = "KIND@WHERE[#N][xM], KIND one of " + ", ".join(BY_NAME)
_SPEC = re.compile(r"(?P<kind>[a-z0-9]+)@(?P<where>[^\s#]+?)(#(?P<nth>[1-9][0-9]{0,3}))?(x(?P<times>[1-9][0-9]{0,3}))?")
_VERB = re.compile(r"[a-z_]+")
_CALL = re.compile(r"(?P<method>GET|POST|PUT|PATCH|DELETE)(?P<path>/\S*)")


@dataclass(frozen=True, slots=True)
class Injected:
    """One fault. `verb` is set for the writes of a step, `method` and `path` (a regular expression) for a call."""

    spec: str
    kind: str
    verb: str = ""
    method: str = "WRITE"
    path: str = ""
    nth: int = 1
    times: int = 1

    def into(self, cluster: RehearsalCluster) -> Planned:
        """Plans it on the cluster, which counts how often it fires."""
        agent = f"; {self.verb})" if self.verb else "patchgap"
        return cluster.fail(
            BY_NAME[self.kind], method=self.method, path=self.path, agent=agent, skip=self.nth - 1, times=self.times
        )


def read(spec: str, verbs: Callable[[], frozenset[str]] = frozenset) -> Injected:
    """The fault that a person asked for: `reset@isolate_workloads`, `500@POST/.*/secrets#2`, `timeout@GET/api/v1/pods
    x3` without the blank. Raises BadInputError naming what does not fit; `verbs` are those that exist, where asked."""
    found = _SPEC.fullmatch(spec)
    if found is None or found["kind"] not in BY_NAME:
        raise BadInputError("--inject", f"{spec!r} is no fault", f"Write {GRAMMAR}: 'reset@isolate_workloads'.")
    where, kind, nth, times = found["where"], found["kind"], int(found["nth"] or 1), int(found["times"] or 1)
    call = _CALL.fullmatch(where)
    if call is not None:
        try:
            re.compile(call["path"])
        except re.error as error:
            raise BadInputError("--inject", f"{call['path']!r} is no pattern: {error}", "Correct it.") from error
        return Injected(spec, kind, method=call["method"], path=call["path"], nth=nth, times=times)
    known = verbs()
    if not _VERB.fullmatch(where) or (known and where not in known):
        choice = f"a verb ({', '.join(sorted(known))}) or METHOD/path" if known else "a verb or METHOD/path"
        raise BadInputError("--inject", f"{where!r} is no step", f"Name {choice}.")
    return Injected(spec, kind, verb=where, nth=nth, times=times)
