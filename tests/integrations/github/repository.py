"""A repository of GitHub's REST API as documented, over a real socket: environments written whole, branch policies,
rulesets, a token."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

TOKEN = "gh-t0ken"
NAME = "example/trainer"
COMMIT = "c" * 40


class Repository:
    """Started by `with`; `environments`, `patterns` and `rulesets` are what stands; `writes` counts what changed them."""

    def __init__(self) -> None:
        reviewers = [{"type": "Team", "reviewer": {"id": 7, "name": "release"}}]
        required = {"type": "required_reviewers", "prevent_self_review": True, "reviewers": reviewers}
        rules = [{"type": "wait_timer", "wait_timer": 30}, required, {"type": "branch_policy"}]
        custom = {"protected_branches": False, "custom_branch_policies": True}
        self.id = 42
        self.environments: dict[str, dict[str, Any]] = {
            "production": {"protection_rules": rules, "deployment_branch_policy": custom},
            "eu/prod": {"protection_rules": [], "deployment_branch_policy": None},
        }
        self.patterns: dict[str, list[dict[str, Any]]] = {
            "production": [{"id": 1, "name": "main", "type": "branch"}, {"id": 2, "name": "v*", "type": "tag"}]
        }
        self.rulesets: list[dict[str, Any]] = [{"id": 1, "name": "theirs", "rules": []}]
        self.writes: list[tuple[str, str]] = []
        self.ids = 100
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"held": self}))
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if not path.startswith(f"/repos/{NAME}"):
            return 404, {"message": "Not Found"}
        parts = [unquote(p) for p in path.removeprefix(f"/repos/{NAME}").strip("/").split("/")]
        if method != "GET":
            self.writes.append((method, path))
        if parts == [""]:
            return 200, {"id": self.id, "full_name": NAME}
        if parts[:2] == ["git", "commits"]:
            return (200, {"sha": COMMIT}) if parts[2] == COMMIT else (404, None)
        return self._rulesets(method, parts[1:], body) if parts[0] == "rulesets" else self._env(method, parts[1:], body)

    def _rulesets(self, method: str, parts: list[str], body: Any) -> tuple[int, Any]:
        self.ids += 1
        if method == "POST":
            if any(r["name"] == body["name"] for r in self.rulesets):
                return 422, {"message": "Name must be unique"}
            self.rulesets.append({"id": self.ids, "source_type": "Repository", **body})
            return 201, self.rulesets[-1]
        if not parts:
            return 200, [{k: r[k] for k in ("id", "name")} for r in self.rulesets]
        found = [r for r in self.rulesets if str(r["id"]) == parts[0]]
        if method == "DELETE" and found:
            self.rulesets.remove(found[0])
            return 204, None
        return (200, found[0]) if found else (404, None)

    def _env(self, method: str, parts: list[str], body: Any) -> tuple[int, Any]:
        held = self.environments.get(parts[0])
        if held is None:
            return 404, {"message": "Not Found"}
        if len(parts) == 1:
            if method == "PUT":
                self._put(parts[0], body)
            return 200, {"name": parts[0], **self.environments[parts[0]]}
        rows = self.patterns.setdefault(parts[0], [])
        if method == "POST":
            if any(r["name"] == body["name"] for r in rows):
                return 303, None
            self.ids += 1
            rows.append({"id": self.ids, **body})
            return 200, rows[-1]
        if method == "DELETE":
            rows[:] = [r for r in rows if str(r["id"]) != parts[2]]
            return 204, None
        return 200, {"total_count": len(rows), "branch_policies": rows}

    def _put(self, name: str, body: Any) -> None:
        """Whole: what is not sent is gone, and patterns with a policy that is not custom."""
        rules: list[dict[str, Any]] = []
        if body.get("wait_timer"):
            rules.append({"type": "wait_timer", "wait_timer": body["wait_timer"]})
        if body.get("reviewers"):
            people = [{"type": r["type"], "reviewer": {"id": r["id"]}} for r in body["reviewers"]]
            own = bool(body.get("prevent_self_review"))
            rules.append({"type": "required_reviewers", "prevent_self_review": own, "reviewers": people})
        policy = body.get("deployment_branch_policy")
        self.environments[name] = {"protection_rules": rules, "deployment_branch_policy": policy}
        if not policy or not policy["custom_branch_policies"]:
            self.patterns.pop(name, None)

    def admitted(self, name: str) -> Any:
        policy = self.environments[name]["deployment_branch_policy"]
        return policy and sorted(r["name"] for r in self.patterns.get(name, []))

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    held: Repository
    timeout = 5

    def _all(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(content) if content else None
        good = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        status, document = self.held.answer(self.command, urlsplit(self.path).path, body) if good else (401, None)
        answer = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = _all  # noqa: N815  (the base's)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's)
        """Quiet."""
