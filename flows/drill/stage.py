"""The drill's own home, settings and environment: apart from everything that this machine is configured for.

A drill must never reach the Prefect server, the clusters or the database of the person who runs it.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from datetime import datetime
from pathlib import Path

from packageurl import PackageURL
from ruamel.yaml import YAML

from flows.drill.scenario import Scenario
from flows.drill.world import ANOMALY, World
from integrations.rehearsal import fleet
from patchgap import settings
from patchgap.settings import Settings


def home_for(scenario: Scenario, root: Path, now: datetime) -> Path:
    """A new folder of the drill's own, readable by its owner alone."""
    home = root / f"{scenario.scenario}-{now:%Y%m%d-%H%M%S}"
    home.mkdir(parents=True, mode=0o700)
    return home


def leave_this_machines_own(home: Path) -> str:
    """Takes this process out of whatever Prefect and patchgap it was configured for; returns the webhook's secret,
    made for this drill alone."""
    for name in [n for n in os.environ if n.startswith(("PREFECT_", "PATCHGAP_"))]:
        del os.environ[name]
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    os.environ.update(
        PATCHGAP_HOME=str(home),
        PATCHGAP_CONFIG=str(home / "patchgap.toml"),
        PATCHGAP_WEBHOOK_SECRET=secret,
        PREFECT_PROFILES_PATH=str(home / "prefect-profiles.toml"),
    )
    return secret


def settings_for(scenario: Scenario, home: Path, world: World) -> Settings:
    """Writes the settings as a person would and reads them back."""
    file = home / "patchgap.toml"
    quoted = json.dumps  # a JSON string is a TOML string
    own = f"playbooks = [{quoted(str(_playbooks(scenario, home)))}]\n" if scenario.playbook else ""
    file.write_text(
        f"times_scale = {scenario.times_scale}\n{own}\n"
        f"{world_settings(scenario, world)}\n"
        f'[[sinks]]\nname = "tickets"\nkind = "webhook"\nurl = {quoted(world.tickets.url)}\n'
        "options = {updates = true}\n\n"
        "[webhook]\nport = 0\n",
        encoding="utf-8",
    )
    return settings.load(os.environ, file=file)


def _playbooks(scenario: Scenario, home: Path) -> Path:
    """The folder with the scenario's own playbook."""
    folder = home / "playbooks"
    folder.mkdir()
    name = YAML(typ="safe").load(scenario.playbook)["playbook"]
    (folder / f"{name}.yaml").write_text(scenario.playbook, encoding="utf-8")
    return folder


def sboms_of(scenario: Scenario, home: Path) -> list[Path]:
    """Writes the SBOM of each of the scenario's own images."""
    paths = []
    for number, (reference, purls) in enumerate(scenario.images.items()):
        name, digest = reference.split("@")
        parts = [PackageURL.from_string(purl) for purl in purls]
        document = {
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "metadata": {"component": {"type": "container", "name": name, "version": digest, "bom-ref": "root"}},
            "components": [
                {"type": "library", "name": p.name, "version": p.version, "purl": p.to_string()} for p in parts
            ],
        }
        paths.append(home / f"image-{number}.cdx.json")
        paths[-1].write_text(json.dumps(document), encoding="utf-8")
    return paths


def world_settings(scenario: Scenario, world: World) -> str:
    """What names the cluster and the metrics source."""
    quoted = json.dumps
    queries = "".join(f"{name} = {quoted(name)}\n" for name in (ANOMALY, *scenario.signals))
    return (
        f"[[kubernetes.clusters]]\nname = {quoted(fleet.CLUSTER)}\nkubeconfig = {quoted(str(world.kubeconfig))}\n"
        f"region = {quoted(fleet.REGION)}\n\n"
        f"[prometheus]\nurl = {quoted(world.metrics.url)}\n\n"
        f"[prometheus.queries]\n{queries}"
    )
