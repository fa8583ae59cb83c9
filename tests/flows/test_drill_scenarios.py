"""The drill's scenarios: each is one file, is checked whole before anything starts, and ends as it says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from flows.drill import inject
from flows.drill.rehearse import rehearse
from flows.drill.scenario import FOLDER, load, names
from integrations.rehearsal import RehearsalCluster
from integrations.rehearsal.faults import BY_NAME
from patchgap.errors import BadInputError, NotFoundError, PatchgapError
from patchgap.incident.events import PersonCalled
from patchgap.incident.ledger import Ledger
from patchgap.storage import connect

QUICK = 0.0005  # of the playbook's times: 30 minutes of quiet are a second
IN_PRODUCTION = "compromised-dependency"  # played whole, with a Prefect server, by test_drill.py
FAULTS = {
    "release-against-gitops": ("reset@isolate_workloads", "truncated@freeze_deployments#2", "429@block_artifacts")
}


@pytest.fixture
def _environment() -> Iterator[None]:
    """A drill takes its process out of everything that is configured; the next test finds it again."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize("name", [n for n in names() if n != IN_PRODUCTION])
def test_a_scenario_ends_as_it_says(name: str, tmp_path: Path) -> None:
    """Played by its stages: contained, proved and closed, or open for the reason that it names; with a fault injected
    at three steps of one of them it ends no other way, and every ledger holds."""
    scenario = load(name).model_copy(update={"times_scale": QUICK})
    faults = [inject.read(spec) for spec in FAULTS.get(name, ())]
    done = rehearse(scenario, tmp_path, faults=faults, quick=True)
    assert done.closed is (scenario.ends.state == "closed")
    assert done.fired == dict.fromkeys(FAULTS.get(name, ()), 1)
    assert done.report.is_file() is done.closed
    assert Ledger(connect(f"sqlite:///{done.home / 'patchgap.db'}"), lambda: pytest.fail("it is read")).verify() == ()


@pytest.mark.usefixtures("_environment")
def test_a_fault_that_calls_a_person_ends_as_the_scenario_says(tmp_path: Path) -> None:
    """What is refused until its time is over is partial, is told so, and is done by the next run; the drill ends no other way."""
    scenario = load("stolen-automation-token").model_copy(update={"times_scale": QUICK})
    done = rehearse(scenario, tmp_path, faults=[inject.read("500@isolate_workloadsx9")], quick=True)
    ledger = Ledger(connect(f"sqlite:///{done.home / 'patchgap.db'}"), lambda: pytest.fail("it is read"))
    called = [entry.body.why for entry in ledger.read(done.incident) if isinstance(entry.body, PersonCalled)]
    assert any("PARTIAL" in why for why in called)


@pytest.mark.usefixtures("_environment")
def test_a_cluster_that_does_not_settle_in_time_is_no_defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The drill says so: on a busy machine it waits as long as for anything else."""

    def never(_cluster: RehearsalCluster, timeout: float = 10) -> None:
        raise TimeoutError(f"the rehearsal cluster did not settle within {timeout:g} s")

    monkeypatch.setattr(RehearsalCluster, "settle", never)
    with pytest.raises(PatchgapError, match="did not settle within 60 s"):
        rehearse(load("release-against-gitops"), tmp_path, quick=True)


@pytest.mark.usefixtures("_environment")
def test_a_fault_that_never_fires_fails_the_drill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It rehearsed nothing; those that did are told with their times."""
    scenario = load("swapped-image").model_copy(update={"times_scale": QUICK})
    faults = [inject.read(spec) for spec in ("429@block_artifacts#400", "429@block_artifacts")]
    with pytest.raises(PatchgapError, match="spoilt by 429@block_artifacts#400") as failed:
        rehearse(scenario, tmp_path, faults=faults, quick=True)
    assert "429@block_artifacts," not in str(failed.value)
    assert "429@block_artifacts fired 1 time." in capsys.readouterr().err


def written(folder: Path, **changed: Any) -> Path:
    """The shipped scenario with some fields changed, as a file of one's own."""
    document = YAML(typ="safe").load(FOLDER / "compromised-dependency.yaml")
    path = folder / "mine.yaml"
    with path.open("w") as file:
        YAML().dump({**document, **changed}, file)
    return path


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"colour": "blue"}, "colour"),
        ({"advisory": ""}, "either an advisory or a signal"),
        ({"advisory": "", "signal": {"kind": "integrity", "integrity": {}}}, "integrity"),
        ({"anomaly": {"namespace": "training"}}, "either an image or an account"),
        ({"deeds": [{"after": "lunch", "say": "x"}]}, "deeds.0.after"),
        ({"deeds": [{"after": "contained", "say": "x", "inject": ["boom@isolate_workloads"]}]}, "is no fault"),
        ({"ends": {"state": "open", "contained": ["isolate_workloads"]}}, "names why"),
        ({"times_scale": 2}, "times_scale"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_an_unsound_scenario_is_refused_before_anything_starts(
    tmp_path: Path, changed: dict[str, Any], says: str
) -> None:
    """The field is named; a file of one's own is held to the same."""
    with pytest.raises(BadInputError, match=says):
        load(str(written(tmp_path, **changed)))


def test_a_scenario_of_ones_own_is_a_file(tmp_path: Path) -> None:
    """It is played by its path; a name that is none says which there are."""
    assert load(str(written(tmp_path, summary="ours"))).summary == "ours"
    with pytest.raises(NotFoundError, match="swapped-image"):
        load("swaped-image")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("reset@isolate_workloads", {"kind": "reset", "verb": "isolate_workloads", "method": "WRITE", "nth": 1}),
        ("500@release_isolation#2x3", {"kind": "500", "verb": "release_isolation", "nth": 2, "times": 3}),
        ("timeout@GET/api/v1/pods", {"method": "GET", "path": "/api/v1/pods", "verb": ""}),
        ("drip@POST/.*/secrets#4", {"method": "POST", "path": "/.*/secrets", "nth": 4}),
        (
            "truncated@PATCH/apis/apps/v1/namespaces/[a-z]+/deployments/x2",
            {"path": "/apis/apps/v1/namespaces/[a-z]+/deployments/", "times": 2},
        ),
    ],
)
def test_a_fault_is_read_as_it_is_written(spec: str, expected: dict[str, Any]) -> None:
    """KIND@WHERE[#N][xM]."""
    read = inject.read(spec)
    assert {name: getattr(read, name) for name in expected} == expected


@pytest.mark.parametrize(
    "spec", ["boom@isolate_workloads", "reset", "reset@", "reset@isolate", "500@HEAD/x", "500@GET/(", "429@GET/x#0"]
)
def test_what_is_no_fault_is_refused(spec: str) -> None:
    """With the grammar, or the verbs that there are."""
    with pytest.raises(BadInputError, match="--inject"):
        inject.read(spec, lambda: frozenset({"isolate_workloads"}))


def test_every_kind_of_fault_can_be_planned() -> None:
    """Each name of the grammar is one that the cluster knows."""
    with RehearsalCluster.start(nodes=1) as cluster:
        for kind in BY_NAME:
            inject.read(f"{kind}@isolate_workloads").into(cluster)
        assert cluster.faults_left == len(BY_NAME)
