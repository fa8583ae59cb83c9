"""`patchgap drill` as a person runs it: to its end, in its own world, with nothing left behind."""

from __future__ import annotations

import base64
import json
import re
import shlex
import signal
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from click.testing import CliRunner

from flows.cli.drill import drill
from flows.drill.alone import served, told
from flows.drill.scenario import load
from flows.drill.world import TEAM_KUBECONFIG
from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.enforcement import Enforcement, enforcement
from integrations.prometheus.client import Prometheus
from integrations.rehearsal import fleet
from patchgap import settings
from patchgap.cli.context import Cli
from tests.flows.loop import kinds
from tests.flows.running import PATCHGAP, clean_environ, processes_of, run


def test_a_drill_from_signal_to_closing(tmp_path: Path) -> None:
    """It closes on proof after a closing was refused, tells its story on stderr, and leaves papers and no process."""
    marked = clean_environ(PATCHGAP_HOME=str(tmp_path / "mine"), DRILL_OF=str(tmp_path))
    done = run([PATCHGAP, "drill", "--json", "--output", tmp_path / "drills"], marked, tmp_path)
    assert done.returncode == 0, done.stderr
    assert not processes_of(tmp_path), "every process of the drill carries the folder in its environment"
    left = json.loads(done.stdout)
    assert left["closed"] is True
    assert Path(left["bundle"]).is_file()
    assert left["incident"] in Path(left["report"]).read_text(encoding="utf-8")
    acts = kinds(Path(left["home"]), left["incident"])
    assert acts.index("close_refused") < acts.index("patch_named") < acts.index("released") < acts.index("closed")
    assert acts[-1] == "closed"
    refused = done.stderr.partition("Closing too early")[2].partition("5. ")[0]
    for check in ("package_absent", "digests_retired", "credentials_rotated"):
        assert refused.count(f"missing  {check}") == 1, refused
    assert max(len(line) for line in done.stderr.splitlines() if "/" not in line and "sha256:" not in line) <= 80
    assert "…" not in "".join(line for line in done.stderr.splitlines() if line.startswith("   $ ")), "to be copied"
    assert not (tmp_path / "mine").exists(), "what this machine is configured for is not touched"


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """The process, which does not outlive the test, nor a minute of it."""
    timer = threading.Timer(60, process.kill)
    timer.start()
    with process:
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


def test_its_cluster_alone_can_be_watched(tmp_path: Path) -> None:
    """What it prints sets another terminal up: a watch reads the fleet and tells of a change; Ctrl-C ends it."""
    serving, environ = [PATCHGAP, "drill", "--cluster-only", "--output", str(tmp_path / "a folder")], clean_environ()
    with ended(subprocess.Popen(serving, env=environ, stdout=subprocess.PIPE, text=True)) as serves:  # noqa: S603
        said = next(line for line in serves.stdout or () if "PATCHGAP_HOME=" in line)
        environ["PATCHGAP_HOME"] = home = shlex.split(said)[1].partition("=")[2]
        with ended(subprocess.Popen([PATCHGAP, "watch"], env=environ, stderr=subprocess.PIPE, text=True)) as watched:  # noqa: S603
            heard = iter(watched.stderr or ())
            assert "13 workloads were not as the graph had them" in next(heard)
            _scale_the_staging_trainer(json.loads((Path(home) / TEAM_KUBECONFIG).read_text()))
            assert "prod-ml-eu/staging/Deployment/trainer-v2" in next(heard)
        serves.send_signal(signal.SIGINT)
        assert serves.wait(20) == 0


def test_its_cluster_alone_has_what_a_closing_needs(tmp_path: Path) -> None:
    """A plugin that enforces policies and a metrics source, by the settings that it writes and tells; each mend is told
    with the workloads that run its image, and no other scenario's world is served."""
    scenario = load("compromised-dependency")
    with served(tmp_path, scenario, datetime.now(UTC)) as home:
        held = settings.load({}, file=home / "patchgap.toml")
        assert enforcement(Clusters(held.kubernetes).of(fleet.CLUSTER)) == Enforcement("Calico", "")
        now = int(datetime.now(UTC).timestamp() * 1000)
        assert [Prometheus.connect(held).sampled_at(q, now) != () for q in held.prometheus.queries.values()] == [True]
        words = "\n".join(told(home, scenario, "patchgap"))
    assert all(f"  {line}".rstrip() in words for line in (home / "patchgap.toml").read_text().splitlines())
    rolled = re.findall(r"kubectl -n (\S+) set image (\S+) \\\n    main=(\S+)", words)
    trainer, finetune = (fleet.image(mend) for mend in scenario.mend.values())
    assert rolled == [
        ("training", "deployment/trainer-v2", trainer),
        ("staging", "deployment/trainer-v2", trainer),
        ("training", "cronjob/finetune-nightly", finetune),
    ]
    refused = CliRunner().invoke(drill, ["swapped-image", "--cluster-only"], obj=Cli(home=tmp_path))
    assert "--cluster-only: it serves the world of no other" in str(refused.exception)


def _scale_the_staging_trainer(kubeconfig: dict[str, Any]) -> None:
    held, token = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]["token"]
    head = {"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"}
    trusts = ssl.create_default_context(cadata=base64.b64decode(held["certificate-authority-data"]).decode())
    url = f"{held['server']}/apis/apps/v1/namespaces/staging/deployments/trainer-v2"
    httpx.patch(url, json={"spec": {"replicas": 2}}, headers=head, verify=trusts, timeout=20).raise_for_status()


def test_the_readme_counts_what_the_drill_finds() -> None:
    """The workloads and replicas of the images that its scenario mends."""
    affected = [row for row in fleet._FLEET if row.image in load("compromised-dependency").mend]
    replicas = sum(row.replicas for row in affected if row.kind != "CronJob")
    words = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert (len(affected), replicas) == (3, 9)
    assert "the three workloads that run it (nine replicas)" in words
