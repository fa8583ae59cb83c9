"""`python -m flows.runtime server PORT`, `worker READY_FILE [ASKED_FILE]`, `receiver HOST PORT`: the child processes of
`patchgap up`.

In a `__main__` of its own so that a run forked from the warm process does not import a worker again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from flows.runtime.children import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    part, *rest = sys.argv[1:]
    if part == "server":
        from flows.runtime.server import main as serve_api

        serve_api(int(rest[0]))
    elif part == "worker":
        from flows.runtime.worker import main as work

        work(*map(Path, rest))
    else:
        from flows.runtime.receiver import serve

        serve(rest[0], int(rest[1]))
