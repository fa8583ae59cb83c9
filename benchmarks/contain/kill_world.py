"""The world of a kill: a served rehearsal cluster and a ticket sink, an incident on them, and what may be said of both
afterwards: which requests changed something, and what stands. It judges from the world's own records alone.

A verb needs no entry here where its defaults have a target among these workloads; STEPS and PARAMETERS hold the rest.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from integrations.rehearsal import RehearsalCluster
from integrations.rehearsal.tickets import TicketSink
from patchgap.ports import Action

Json = dict[str, Any]
CLUSTER = "kills"
BAD, GOOD, OTHER = (f"sha256:{letter * 64}" for letter in "abc")
REPOSITORY = "registry.example.org/ml/trainer"
DEADLINE_SECONDS = 1.0  # of each request: a fault that hangs is waited for
PLATFORMS = ("kubernetes", "tickets")  # those that a world is made of here
# What a verb takes where its defaults do not do, and the steps that a playbook must have before it.
PARAMETERS: Mapping[str, Json] = {
    "rotate_credentials": {"irreversible": "accept"},
    "open_incident": {"severity": "sev1"},
    "open_ticket": {"severity": "sev3"},
}
STEPS: Mapping[str, tuple[Json, ...]] = {}
_DERIVED = {"Event", "Pod", "ReplicaSet", "ControllerRevision", "Lease", "Node", "EndpointSlice", "Endpoints"}
_PASSING = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(Z|\+00:00)|act-[0-9a-f]{12}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
_GENERATED = re.compile(r"/(pods|replicasets)/[^/]+")


class Warm:
    """The warm process that forks the ones to be killed."""

    def __init__(self) -> None:
        child = Path(__file__).with_name("kill_child.py")
        self.empty = b""  # a database at the current schema, once there is one
        self._process = subprocess.Popen(  # noqa: S603  (our own)
            [sys.executable, str(child)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def do(self, job: Json) -> Json:
        """What became of the job."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the warm process has no pipes")
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer: Json = json.loads(self._process.stdout.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stdin.close() if self._process.stdin else None
        self._process.wait(10)
        self._process.stdout.close() if self._process.stdout else None


@dataclass(frozen=True)
class Seen:
    """What the world's own records say: how often each request changed something, and what stands."""

    effects: Counter[str]
    stands: Mapping[str, str]

    def differs(self, other: Seen) -> list[str]:
        """How this differs from what a run that nobody cut off left, a sentence each."""
        twice, lost = self.effects - other.effects, other.effects - self.effects
        names = sorted(self.stands.keys() | other.stands.keys())
        return [
            *(f"done {n} times too often: {what}" for what, n in sorted(twice.items())),
            *(f"lost {n} times: {what}" for what, n in sorted(lost.items())),
            *(
                f"stands otherwise: {n}: {self.stands.get(n, 'nothing')} and not {other.stands.get(n, 'nothing')}"
                for n in names
                if self.stands.get(n) != other.stands.get(n)
            ),
        ]


class World:
    """A cluster, a sink and an incident with one verb to carry out, made anew for each trial."""

    def __init__(self, warm: Warm, home: Path, steps: tuple[Json, ...], inverses: tuple[str, ...]) -> None:
        self._warm, self.home = warm, home
        self._open = ExitStack()
        self.cluster = self._open.enter_context(RehearsalCluster.start(name=CLUSTER, objects=_objects()))
        self.tickets = self._open.enter_context(TicketSink())
        self.cluster.settle()
        home.mkdir(parents=True)
        (home / "playbooks").mkdir()
        kubeconfig = self.cluster.write_kubeconfig(home / "kubeconfig.yaml")
        quoted = json.dumps
        (home / "patchgap.toml").write_text(
            f"playbooks = [{quoted(str(home / 'playbooks'))}]\n[[kubernetes.clusters]]\nname = {quoted(CLUSTER)}\n"
            f"kubeconfig = {quoted(str(kubeconfig))}\n[kubernetes]\ntimeout_seconds = {DEADLINE_SECONDS}\n[tickets]\nkind = 'webhook'\nurl = {quoted(self.tickets.url)}\n"
        )
        (home / "playbooks" / "compromised-dependency.yaml").write_text(playbook(steps, inverses))
        sboms = [sbom(home, digest, version) for digest, version in ((BAD, "1.5.2"), (GOOD, "1.6.5"), (OTHER, ""))]
        database = home / "patchgap.db"
        if warm.empty:
            database.write_bytes(warm.empty)
        elif self.do("migrate")["left"] is not None:
            warm.empty = database.read_bytes()
        made = self.do("prepare", sboms=sboms, signal=SIGNAL, mend=f"{REPOSITORY}@{GOOD}")
        if made["left"] is None:
            self._open.close()
            raise RuntimeError(f"the incident was not made: {made['said']}")
        self.incident = str(made["left"]["incident"])
        self.cluster.settle()
        self._restore = self.cluster.save()
        self._kept = home.with_name(f"{home.name}.kept")
        shutil.copytree(home, self._kept)
        self.reset()

    def reset(self) -> None:
        """Brings the world back to the moment after the plan."""
        self._restore()
        shutil.rmtree(self.home)
        shutil.copytree(self._kept, self.home)
        self.tickets.tickets.clear()
        self.cluster.settle()
        self._began = len(self.cluster.requests)

    def do(self, what: str, kill: Json | None = None, **more: Any) -> Json:
        """Runs the engine in a process of its own, which may be killed."""
        held = {"home": str(self.home), "do": what, "kill": kill, "incident": getattr(self, "incident", "")}
        return self._warm.do({**held, **more})

    def seen(self) -> Seen:
        """The world as its own records have it, with the names and times of this trial taken out."""
        self.cluster.settle()
        effects = Counter(
            self._plain(f"{r.method} {_GENERATED.sub('/…', r.path)} ({r.changes})")
            for r in self.cluster.requests[self._began :]
            if r.mutates and r.changes
        )
        effects.update(self._plain(f"ticket {t['key']}") for t in self.tickets.tickets)
        stands = {self._plain(_name(o)): self._plain(_content(o)) for o in self.cluster.objects() if _counts(o)}
        return Seen(effects, stands)

    def _plain(self, text: str) -> str:
        return _PASSING.sub("…", text.replace(self.incident, "INCIDENT"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()


def steps_of(action: Action) -> tuple[Json, ...]:
    """The playbook's steps that carry the verb out."""
    return (*STEPS.get(action.verb, ()), {action.verb: PARAMETERS.get(action.verb, {})})


def _counts(stored: Json) -> bool:
    return stored["kind"] not in _DERIVED and not stored["metadata"].get("namespace", "").startswith("kube-")


def _name(stored: Json) -> str:
    meta = stored["metadata"]
    return f"{stored['kind']} {meta.get('namespace', '')}/{meta['name']}"


def _content(stored: Json) -> str:
    meta = {k: stored["metadata"].get(k) for k in ("labels", "generation", "finalizers")}
    notes = stored["metadata"].get("annotations") or {}
    meta["annotations"] = {k: v for k, v in notes.items() if not k.startswith("deployment.kubernetes.io/")}
    rest = {k: v for k, v in stored.items() if k not in ("metadata", "status", "data", "apiVersion", "kind")}
    return json.dumps({**meta, **rest}, sort_keys=True)


SIGNAL = {
    "kind": "advisory",
    "source": "kill test",
    "claims": {"known_exploited": True},
    "advisory": {
        "id": "PYSEC-2021-874",
        "modified": "2023-05-25T05:07:00Z",
        "affected": [{"package": {"ecosystem": "PyPI", "name": "pytorch-lightning"}, "versions": ["1.5.2"]}],
    },
}


def playbook(steps: tuple[Json, ...], inverses: tuple[str, ...]) -> str:
    """A playbook of one tier with these steps, that takes the shipped one's place."""
    listed = "\n".join(f"      - {json.dumps(step)}" for step in steps)
    recover = f"recover: {json.dumps(list(inverses))}\n" if inverses else ""
    return (
        "playbook: compromised-dependency\nversion: 1\nsummary: One verb.\nowner: tests\n"
        "detect:\n  on: [advisory]\n  only_if:\n    any:\n      - known_exploited: true\n    running: true\n"
        "scope:\n  transitive: true\n  include: [running, scheduled, scaled_to_zero]\n"
        f"tiers:\n  - tier: 1\n    contain:\n{listed}\n"
        "verify:\n  every: 1m\n  within: 24h\n  fresh_within: 5m\n  all_of: [package_absent]\n" + recover
    )


def sbom(home: Path, digest: str, version: str) -> str:
    """The path of an image's SBOM, with pytorch-lightning at that version, or without it where it is empty."""
    purl = f"pkg:pypi/pytorch-lightning@{version}" if version else "pkg:pypi/flask@2.0.0"
    name = purl.split("/")[1].split("@", maxsplit=1)[0]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "metadata": {"component": {"type": "container", "name": REPOSITORY, "version": digest, "bom-ref": "root"}},
        "components": [{"type": "library", "name": name, "version": purl.split("@")[1], "purl": purl}],
    }
    path = home / f"{digest[7:9]}.cdx.json"
    path.write_text(json.dumps(document))
    return str(path)


def _objects() -> list[Json]:
    labels = {"patchgap.dev/environment": "production", "patchgap.dev/classification": "sensitive"}
    meta = {"namespace": "training"}
    token = {"kubernetes.io/service-account.name": "trainer"}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**meta, "name": "trainer"}}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {**meta, "name": "trainer-token", "annotations": token},
    }
    return [
        *(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": labels}}
            for n in ("training", "patchgap")
        ),
        account,
        secret,
        _deployment("trainer", BAD, 2, serviceAccountName="trainer"),
        *(_deployment(f"other-{n}", OTHER, 1) for n in range(2)),
    ]


def _deployment(name: str, digest: str, replicas: int, **pod: Any) -> Json:
    labels = {"app": name}
    containers = [{"name": "main", "image": f"{REPOSITORY}@{digest}"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "training", "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers, **pod}},
        },
    }
