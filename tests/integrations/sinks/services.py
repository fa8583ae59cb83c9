"""Small servers that keep what each service documents: its authentication, its search, its own way to keep one of a key,
its 429. Real sockets; nothing is known of how patchgap asks."""

from __future__ import annotations

import base64
import json
import re
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "t0ken-value"
Answer = tuple[int, Any]


class Service:
    """Started by `with`. `limited` requests are answered 429 first; every request is in `asked`."""

    auth = f"Bearer {TOKEN}"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.limited = 0
        self.drop_after = ""  # a path whose next POST takes effect and is not answered
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"service": self}))
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def allowed(self, headers: Any, body: Any) -> Answer | None:
        return None if headers.get("Authorization") == self.auth else (401, {"message": "Bad credentials"})

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    service: Service
    timeout = 5

    def _all(self) -> None:
        held = self.service
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(content) if content else None
        parts = urlsplit(self.path)
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        with held.lock:
            held.asked.append((self.command, parts.path, body))
            if held.limited > 0:
                held.limited -= 1
                self._send(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "2"})
                return
            refused = held.allowed(self.headers, body)
            status, document = refused or held.answer(self.command, unquote(parts.path), query, body)
            if self.command == "POST" and held.drop_after and parts.path.endswith(held.drop_after):
                held.drop_after = ""
                self.close_connection = True
                self.connection.shutdown(2)
                return
        self._send(status, document, {})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _all  # noqa: N815  (the base's)

    def _send(self, status: int, document: Any, headers: dict[str, str]) -> None:
        content = (
            b"" if document is None else document if isinstance(document, bytes) else json.dumps(document).encode()
        )
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's)
        """Quiet."""


class PagerDuty(Service):
    """Events API v2: the integration key in the body; one open alert a dedup_key; a resolved one is triggered anew."""

    def __init__(self) -> None:
        super().__init__()
        self.alerts: list[dict[str, Any]] = []

    def allowed(self, headers: Any, body: Any) -> Answer | None:
        good = (body or {}).get("routing_key") == TOKEN
        return None if good else (400, {"status": "invalid event", "errors": ["Invalid routing key"]})

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        if (method, path) != ("POST", "/v2/enqueue"):
            return 404, None
        open_ = next((a for a in self.alerts if a["dedup_key"] == body["dedup_key"] and not a["resolved"]), None)
        if body["event_action"] == "trigger":
            payload = body["payload"]
            if payload["severity"] not in {"critical", "error", "warning", "info"} or len(payload["summary"]) > 1024:
                return 400, {"status": "invalid event"}
            if open_ is None:
                self.alerts.append({"dedup_key": body["dedup_key"], "resolved": False, "text": json.dumps(payload)})
        elif open_ is not None:
            open_["resolved"] = True
        return 202, {"status": "success", "dedup_key": body["dedup_key"]}

    def opened(self) -> list[str]:
        return [a["text"] for a in self.alerts]

    def over(self) -> bool:
        return all(a["resolved"] for a in self.alerts)


class Jira(Service):
    """Issues with labels, comments and a workflow; JQL of two clauses; the description in the edition's own form."""

    def __init__(self, edition: str) -> None:
        super().__init__()
        self.cloud = edition == "cloud"
        self.auth = (
            f"Basic {base64.b64encode(f'bot@example.org:{TOKEN}'.encode()).decode()}" if self.cloud else self.auth
        )
        self.issues: list[dict[str, Any]] = []

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        path = path.removeprefix("/rest/api/3" if self.cloud else "/rest/api/2")
        if (method, path) == ("POST", "/search/jql" if self.cloud else "/search"):
            clauses = re.fullmatch(r'project = "(\w+)" AND labels = "([\w.-]+)" ORDER BY created ASC', body["jql"])
            if clauses is None:
                return 400, {"errorMessages": ["Error in the JQL Query"]}
            found = [i for i in self.issues if clauses[2] in i["fields"]["labels"]]
            return 200, {"issues": [{"key": i["key"], "fields": {"labels": i["fields"]["labels"]}} for i in found]}
        if (method, path) == ("POST", "/issue"):
            fields = body["fields"]
            if (
                not self._form(fields["description"])
                or "\n" in fields["summary"]
                or any(" " in x for x in fields["labels"])
            ):
                return 400, {"errorMessages": ["bad field"]}
            issue = {"key": f"SEC-{len(self.issues) + 1}", "fields": fields, "comments": [], "status": "new"}
            self.issues.append(issue)
            return 201, {"id": "10000", "key": issue["key"]}
        return self._issue(method, path, body)

    def _issue(self, method: str, path: str, body: Any) -> Answer:
        _, _, key, *rest = path.split("/")
        issue = next((i for i in self.issues if i["key"] == key), None)
        if issue is None:
            return 404, {"errorMessages": ["Issue does not exist"]}
        if rest == []:
            return 200, {"key": key, "fields": {"status": {"statusCategory": {"key": issue["status"]}}}}
        if rest == ["comment"] and method == "GET":
            return 200, {"comments": issue["comments"], "total": len(issue["comments"])}
        if rest == ["comment"]:
            issue["comments"].append({"body": body["body"]})
            return (201, {"id": "1"}) if self._form(body["body"]) else (400, None)
        if method == "GET":
            offered = [("11", "indeterminate"), ("31", "done")]
            return 200, {"transitions": [{"id": i, "to": {"statusCategory": {"key": c}}} for i, c in offered]}
        issue["status"] = {"11": "indeterminate", "31": "done"}[body["transition"]["id"]]
        return 204, None

    def _form(self, text: Any) -> bool:
        return isinstance(text, dict) and text["type"] == "doc" if self.cloud else isinstance(text, str)

    def opened(self) -> list[str]:
        return [json.dumps(i) for i in self.issues]

    def over(self) -> bool:
        return all(i["status"] == "done" for i in self.issues)


class ServiceNow(Service):
    """The Table API; a term of a query that it does not know is ignored and everything comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = f"Basic {base64.b64encode(f'patchgap:{TOKEN}'.encode()).decode()}"
        stray = {"sys_id": "f" * 32, "number": "INC1", "correlation_id": "", "work_notes": "", "state": "6"}
        self.rows: list[dict[str, str]] = [stray]

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        table, _, name = path.removeprefix("/api/now/table/").partition("/")
        if table != "incident":
            return 404, None
        if method == "POST":
            row = {"sys_id": f"{len(self.rows):032x}", "number": "INC2", "state": "1", "work_notes": "", **body}
            self.rows.append(row)
            return 201, {"result": row}
        if not name:
            wanted = re.search(r"(?:^|\^)correlation_id=([^^]*)", query["sysparm_query"])
            found = [r for r in self.rows if wanted is None or r["correlation_id"] == wanted[1]]
            return 200, {"result": found[: int(query["sysparm_limit"])]}
        row = next((r for r in self.rows if r["sys_id"] == name), {})
        if method == "PATCH":
            notes = f"{datetime.now(UTC)} - patchgap (Work notes)\n{body.get('work_notes', '')}\n\n{row['work_notes']}"
            row |= {**body, "work_notes": notes}
        return 200, {"result": row}

    def opened(self) -> list[str]:
        return [json.dumps(r) for r in self.rows[1:]]

    def over(self) -> bool:
        return all(r["state"] == "6" for r in self.rows)


class GitHubIssues(Service):
    """Issues and comments of one repository, pages of `per_page`, newest first; its pull requests are issues too."""

    def __init__(self) -> None:
        super().__init__()
        pull = {"number": 1, "body": "x", "pull_request": {}, "created_at": _now(), "state": "open", "comments": []}
        self.issues: list[dict[str, Any]] = [pull]

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        path = path.removeprefix("/repos/example/platform-security/issues").strip("/")
        if not path and method == "POST":
            number = len(self.issues) + 1
            address = f"https://github.example/i/{number}"
            made = {"number": number, "html_url": address, "state": "open", "created_at": _now(), "comments": []}
            self.issues.append({**body, **made})
            return 201, self.issues[-1]
        if not path:
            rows = [i for i in reversed(self.issues) if query.get("state") == "all" or i["state"] == "open"]
            return 200, _page(rows, query)
        issue = self.issues[int(path.split("/")[0]) - 1]
        if path.endswith("/comments"):
            if method == "GET":
                return 200, _page(issue["comments"], query)
            issue["comments"].append(body)
            return 201, {}
        issue.update(body)
        return 200, issue

    def opened(self) -> list[str]:
        return [json.dumps(i) for i in self.issues[1:]]

    def over(self) -> bool:
        return all(i["state"] == "closed" for i in self.issues[1:])


class Slack(Service):
    """A channel's messages with metadata, threads and cursors; errors are words in a 200."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []
        self.chatter()

    def chatter(self, count: int = 3) -> None:
        """What others say."""
        for _ in range(count):
            self._post({"text": "lunch?"})

    def allowed(self, headers: Any, body: Any) -> Answer | None:
        return None if headers.get("Authorization") == self.auth else (200, {"ok": False, "error": "invalid_auth"})

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        call = path.removeprefix("/")
        if (body or query)["channel"] != "C0123456789":
            return 200, {"ok": False, "error": "channel_not_found"}
        if call == "chat.postMessage":
            return 200, {"ok": True, "ts": self._post(body)}
        if call == "chat.update":
            held = next(m for m in self.messages if m["ts"] == body["ts"])
            held |= {k: body[k] for k in ("text", "blocks", "metadata")}
            return 200, {"ok": True, "ts": body["ts"]}
        if call == "chat.getPermalink":
            return 200, {"ok": True, "permalink": f"https://example.slack.com/p{query['message_ts']}"}
        if call == "conversations.history":
            rows = [
                m for m in reversed(self.messages) if "thread_ts" not in m and float(m["ts"]) >= float(query["oldest"])
            ]
        else:
            rows = [m for m in self.messages if query["ts"] in {m["ts"], m.get("thread_ts")}]
        start, most = int(query.get("cursor", 0)), min(2, int(query["limit"]))  # the service may give fewer than asked
        more = str(start + most) if start + most < len(rows) else ""
        plain = query.get("include_all_metadata") != "true"
        shown = [{k: v for k, v in m.items() if not (plain and k == "metadata")} for m in rows[start : start + most]]
        return 200, {"ok": True, "messages": shown, "response_metadata": {"next_cursor": more}}

    def _post(self, body: dict[str, Any]) -> str:
        ts = f"{datetime.now(UTC).timestamp():.0f}.{len(self.messages) + 1:06d}"
        self.messages.append({**body, "ts": ts})
        return ts

    def opened(self) -> list[str]:
        return [json.dumps(m) for m in self.messages if "metadata" in m and "thread_ts" not in m]

    def over(self) -> bool:
        return all("[closed]" in text for text in self.opened())


class SlackHook(Service):
    """An incoming webhook: the path is the secret, the answer is the word ok."""

    def __init__(self) -> None:
        super().__init__()
        self.posts: list[str] = []

    def allowed(self, headers: Any, body: Any) -> Answer | None:
        return None

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        if path != f"/services/T0/B0/{TOKEN}":
            return 404, b"no_service"
        self.posts.append(json.dumps(body))
        return 200, b"ok"

    def opened(self) -> list[str]:
        return self.posts

    def over(self) -> bool:
        return True


def _page(rows: list[Any], query: dict[str, str]) -> list[Any]:
    size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
    return rows[(page - 1) * size : page * size]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
