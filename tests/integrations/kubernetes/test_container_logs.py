"""Containers' logs: the newest part, bounded, told when cut, and never a secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.container_logs import Bounds, Logs, read_logs
from integrations.kubernetes.resources import PODS
from integrations.redaction import without_secrets
from integrations.rehearsal import RehearsalCluster
from patchgap.settings import ClusterSettings, KubernetesSettings
from tests.growth import grows_straight

IMAGE = "registry.example.com/x/app@sha256:" + "a" * 64
ROOMY = Bounds(1 << 20, 1 << 26)


def pod(name: str, image: str = IMAGE) -> dict[str, Any]:
    containers = [{"name": "main", "image": image}]
    meta = {"name": name, "namespace": "work"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": containers}}


@pytest.fixture
def rehearsal() -> Iterator[RehearsalCluster]:
    work = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "work"}}
    with RehearsalCluster.start(
        objects=[work, pod("a"), pod("b"), pod("c", "nowhere:1")], nodes=1, service_accounts=False
    ) as running:
        running.settle()
        yield running


@pytest.fixture
def cluster(rehearsal: RehearsalCluster, tmp_path: Path) -> Cluster:
    settings = ClusterSettings(name="c", kubeconfig=rehearsal.write_kubeconfig(tmp_path / "kubeconfig"))
    return Clusters(KubernetesSettings(clusters=(settings,))).of("c")


def read(cluster: Cluster, bounds: Bounds = ROOMY) -> Logs:
    return read_logs(cluster, cluster.all_of(PODS, "work"), bounds)


def test_each_started_containers_log_is_kept_the_one_before_too(rehearsal: RehearsalCluster, cluster: Cluster) -> None:
    """Current and previous, each in its file; a container that never started has none."""
    rehearsal.say("work", "a", "main", "first")
    rehearsal.crash("work", "a", "main")
    rehearsal.say("work", "a", "main", "second")
    logs = read(cluster)
    text = {name: content.decode().partition(" ")[2] for name, content in logs.files.items()}
    assert text == {"log_a_main_previous.txt": "first\n", "log_a_main.txt": "second\n", "log_b_main.txt": ""}
    assert (logs.untold, logs.cut) == ((), 0)


def test_a_long_log_keeps_its_newest_lines_and_says_so(rehearsal: RehearsalCluster, cluster: Cluster) -> None:
    """Never more bytes than asked for, and the last line is there; the bound of all together is told too."""
    rehearsal.say("work", "a", "main", "\n".join(f"{'x' * (n % 90)} line {n}" for n in range(500)))
    logs = read(cluster, Bounds(2000, 1 << 20))
    kept = logs.files["log_a_main.txt"]
    assert 1000 < len(kept) <= 2000
    assert kept.endswith(b" line 499\n")
    [entry] = [e for e in logs.entries if e["cut"]]
    assert entry["cut"] == f"only its last {kept.count(10)} line(s): it is longer than 2000 bytes"
    rehearsal.say("work", "b", "main", "y" * 3000)
    few = read(cluster, Bounds(2000, 1000))
    assert sum(map(len, few.files.values())) <= 1000
    assert few.cut + len(few.untold) == 2


def test_a_line_longer_than_the_bound_is_cut_and_told(rehearsal: RehearsalCluster, cluster: Cluster) -> None:
    """One line of a megabyte."""
    rehearsal.say("work", "a", "main", "x" * 9000)
    logs = read(cluster, Bounds(100, 1 << 20))
    assert len(logs.files["log_a_main.txt"]) == 100
    assert [e["cut"] for e in logs.entries if e["cut"]] == [
        "the first 100 bytes of its last 1 line(s): they are longer"
    ]


def test_a_node_that_does_not_answer_is_asked_once(rehearsal: RehearsalCluster, cluster: Cluster) -> None:
    """Both pods are on it: the second is not waited for, and what is missing is told."""
    before = len(rehearsal.requests)
    rehearsal.fail("error", path="/log", times=99)
    logs = read(cluster)
    assert logs.files == {}
    assert logs.untold[0].startswith("2 log(s) could not be read: cluster c answered 500")
    assert sum(1 for r in tuple(rehearsal.requests)[before:] if r.path.endswith("/log")) == 4


def test_what_has_the_shape_of_a_credential_is_redacted_and_no_more() -> None:
    """The line stays, and so does a digest."""
    digest = "sha256:" + "a" * 64
    said = (
        f'user=dana password="a b" {digest}\nGET https://u:hunter2@db.example.org/x\n'
        "AKIAABCDEFGHIJKLMNOP used\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nAuthorization: Bearer abcdefgh12"
    )
    assert without_secrets(said) == (
        f"user=dana password=[redacted] {digest}\nGET https://[redacted]@db.example.org/x\n"
        "[redacted] used\n[redacted]\nAuthorization: Bearer [redacted]"
    )


@pytest.mark.parametrize("text", ["secret", "-", "eyJaaaaaaaa-", "--secret-", "bearer ", 'token="\\', "://a:"])
def test_a_hostile_log_takes_no_longer_than_it_is_long(text: str) -> None:
    """Twice the text takes about twice the time, where a backtracking pattern would take four times and more."""
    assert grows_straight(lambda size: without_secrets(text * (size // len(text))), 160_000)
