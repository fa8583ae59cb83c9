"""`patchgap up`: everything answers, and what it started is stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from flows.drill.world import World
from flows.runtime.server import announced_port, free_port
from tests.flows.running import PATCHGAP, Up, addresses, answers, clean_environ, processes_of, run, start_up, wait_until


def test_its_addresses_answer(up: Up) -> None:
    """The Prefect UI, its API and the receiver answer where `up` says they do; it names the clusters that it reads."""
    assert up.printed["clusters"] == ["prod-ml-eu"]
    for url in (up.printed["prefect"], f"{up.printed['prefect_api']}/health", f"{up.printed['receiver']}/healthz"):
        assert httpx.get(str(url), follow_redirects=True, timeout=60).status_code == 200, url


def test_nobody_gets_in_without_the_password(up: Up) -> None:
    """The API refuses a stranger, and the password's file is its owner's alone."""
    assert httpx.get(f"{up.address.api_url}/admin/version", timeout=60).status_code == 401
    assert httpx.post(f"{up.address.api_url}/flow_runs/filter", json={}, timeout=60).status_code == 403
    for name in ("prefect/sign-in", "webhook-secret"):
        assert stat.S_IMODE((up.home / name).stat().st_mode) == 0o600, name


def test_another_terminal_finds_it(up: Up) -> None:
    """A command on the same home runs its flow on that server's worker, with no variable set."""
    command = [PATCHGAP, "inventory", "refresh", "--json"]
    environ = clean_environ(PATCHGAP_HOME=str(up.home))
    done = run(command, environ, up.home)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "COMPLETED"


def test_a_part_is_not_left_behind_by_an_early_stop(tmp_path: Path) -> None:
    """SIGTERM while the parts are still starting leaves no process of theirs."""
    with start_up(tmp_path) as process:
        assert wait_until(lambda: len(processes_of(tmp_path)) >= 3, 90)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert wait_until(lambda: not processes_of(tmp_path), 20), processes_of(tmp_path)


def test_no_scratch_file_is_left_or_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker starts where the common temporary folder holds another user's files, and leaves nothing in it."""
    with TemporaryDirectory() as scratch:  # tmp_path is too long for a socket's path
        (Path(scratch) / "runner_storage").write_text("another's", encoding="utf-8")  # mkdir fails there, for root too
        monkeypatch.setenv("TMPDIR", scratch)
        with start_up(tmp_path) as process:
            addresses(process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        assert [path.name for path in Path(scratch).iterdir()] == ["runner_storage"]


def test_a_killed_up_takes_its_parts_with_it(tmp_path: Path) -> None:
    """SIGKILL, which nobody can answer, still leaves no orphan: each part ends with its parent's pipe. A second `up` that
    had joined it while it started ends too, and says why."""
    with start_up(tmp_path) as process:
        assert wait_until(lambda: announced_port(tmp_path / "prefect") is not None, 60)
        with start_up(tmp_path) as second:
            assert "Prefect server" not in addresses(second)["started"]
            assert len(processes_of(tmp_path)) >= 7
            process.kill()
            _, told = second.communicate(timeout=60)
            assert second.returncode == 2
        assert "whose Prefect server this one used has ended" in told
        assert wait_until(lambda: not processes_of(tmp_path), 20), processes_of(tmp_path)


def test_without_a_server_the_flow_runs_in_the_process(tmp_path: Path, world: World) -> None:
    """With no Prefect API configured and none running, a command brings its own server and leaves nothing."""
    command = [PATCHGAP, "inventory", "refresh", "--kubeconfig", str(world.kubeconfig), "--json"]
    environ = clean_environ(PATCHGAP_HOME=str(tmp_path))
    done = run(command, environ, tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["message"]
    assert re.fullmatch(r"1 cluster read: \S+ \(\d+ workloads, \d+ images\)", told), told
    assert "Error logging" not in done.stderr  # what Prefect held was sent before its server ended
    assert not processes_of(tmp_path)


def test_without_a_cluster_nothing_is_started(tmp_path: Path) -> None:
    """A refresh with no cluster to read is refused with the fix, before Prefect's server, and its folder, are made."""
    environ = clean_environ(PATCHGAP_HOME=str(tmp_path))
    done = run([PATCHGAP, "inventory", "refresh", "--json"], environ, tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no cluster is configured. Add [[kubernetes.clusters]]" in done.stderr
    assert not (tmp_path / "prefect").exists()


def test_a_second_up_joins_the_first(up: Up) -> None:
    """On the same home it brings no second Prefect server, and leaves the first one's alone when it ends."""
    with start_up(up.home) as second:
        printed = addresses(second)
        assert printed["prefect"] == up.printed["prefect"]
        assert printed["sign_in"] == up.printed["sign_in"]
        assert printed["receiver"] != up.printed["receiver"]
        assert "Prefect server" not in printed["started"]
        second.send_signal(signal.SIGTERM)
        assert second.wait(20) == 0
    assert httpx.get(f"{up.printed['prefect_api']}/health", timeout=60).status_code == 200
    assert httpx.get(f"{up.printed['receiver']}/healthz", timeout=60).status_code == 200


def test_a_taken_port_is_another_port_and_a_dead_worker_is_said(tmp_path: Path) -> None:
    """Where Prefect's port is taken `up` takes a free one; where a part dies it stops the others and says which."""
    with socket.create_server(("127.0.0.1", 0)) as taken, start_up(tmp_path, taken.getsockname()[1]) as process:
        printed = addresses(process)
        assert not printed["prefect"].endswith(f":{taken.getsockname()[1]}")
        (worker,) = [pid for pid, line in processes_of(tmp_path).items() if "flows.runtime worker" in line]
        os.kill(worker, signal.SIGKILL)
        _, told = process.communicate(timeout=60)
        assert process.returncode == 2
        assert "the worker ended with exit code -9" in told
        assert "Traceback" not in told
        assert wait_until(lambda: not processes_of(tmp_path), 20), processes_of(tmp_path)


def test_a_secret_that_is_missing_is_named(tmp_path: Path) -> None:
    """A secret file that is configured and not there is one sentence, before anything is left running."""
    (tmp_path / "patchgap.toml").write_text(f'[webhook]\nport = 0\nsecret = "file:{tmp_path}/none"\n')
    with start_up(tmp_path) as process:
        _, told = process.communicate(timeout=60)
        assert process.returncode == 2
        assert str(tmp_path / "none") in told
        assert "Traceback" not in told
        assert wait_until(lambda: not processes_of(tmp_path), 20), processes_of(tmp_path)


def test_serve_receives_for_a_server_elsewhere(up: Up) -> None:
    """`patchgap serve` says its address and answers there until it is told to end; without a server it says so."""
    port = free_port()
    environ = up.environ() | {"PATCHGAP_WEBHOOK_SECRET": (up.home / "webhook-secret").read_text()}
    command = [PATCHGAP, "serve", "--port", str(port)]
    with subprocess.Popen(command, env=environ, cwd=up.home, stdout=subprocess.PIPE, text=True) as serving:  # noqa: S603
        assert wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), 60)
        serving.terminate()
        assert f"http://127.0.0.1:{port}" in serving.communicate(timeout=20)[0]
    alone = run([PATCHGAP, "serve"], clean_environ(PATCHGAP_HOME=str(up.home / "none")), up.home)
    assert alone.returncode == 2
    assert "patchgap up" in alone.stderr
