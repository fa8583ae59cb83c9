"""The drill's world by itself, with nobody who plays in it: for whoever wants to try commands on a cluster, up to an
incident gone by hand to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from shlex import quote

from flows.drill.scenario import FOLDER, Scenario
from flows.drill.stage import home_for, world_settings
from flows.drill.world import TEAM_KUBECONFIG, World, digest_of, reference_of
from integrations.rehearsal import fleet

SETTINGS = "patchgap.toml"
SCALE = 0.1  # of a quiet of 30 minutes, 3: what a person likes to wait for, with time left to type in


@contextmanager
def served(root: Path, scenario: Scenario, now: datetime) -> Iterator[Path]:
    """A folder whose settings name the cluster and the metrics source, which answer on loopback as long as the context is
    open."""
    home = home_for(scenario, root, now)
    with World(home, scenario) as world:
        text = (
            "# 30m of quiet are 3m here; an approval waits as long as its playbook says\n"
            f"times_scale = {SCALE}\n\n{world_settings(scenario, world)}"
        )
        (home / SETTINGS).write_text(text, encoding="utf-8")
        yield home


def told(home: Path, scenario: Scenario, patchgap: str) -> Iterator[str]:
    """What to type in another terminal, line by line: to ask, to watch, and to go through an incident."""
    yield f"The rehearsal cluster {fleet.CLUSTER} answers until Ctrl-C. In another terminal:\n"
    yield f"  export PATCHGAP_HOME={quote(str(home))}"
    yield f'  export KUBECONFIG="$PATCHGAP_HOME/{TEAM_KUBECONFIG}"  # kubectl as the team of the fleet'
    yield f"  {patchgap} graph add {quote(str(fleet.SBOMS))}"
    yield f"  {patchgap} inventory refresh"
    yield f"  {patchgap} exposure pytorch-lightning"
    yield f"  {patchgap} watch\n"
    yield "For the watch to have something to tell:\n"
    yield "  kubectl -n staging scale deployment/trainer-v2 --replicas 2\n"
    yield "An incident by hand (docs/drill.md) begins with\n"
    yield f"  {patchgap} detect --as on-call@example.org --known-exploited \\"
    yield f"    --advisory {quote(str(FOLDER / scenario.advisory))}\n"
    yield "and is mended, once it is contained, with\n"
    for image, mend in scenario.mend.items():
        yield from _mend(digest_of(image), reference_of(mend), patchgap)
    yield "\nThe settings for it, in patchgap.toml of that folder:\n"
    yield from (f"  {line}".rstrip() for line in (home / SETTINGS).read_text(encoding="utf-8").splitlines())


def _mend(digest: str, reference: str, patchgap: str) -> Iterator[str]:
    """The image is named as the mend, and the team rolls it out."""
    yield f"  {patchgap} incident patch ID --as on-call@example.org \\\n    --image {reference}"
    for one in fleet.running(digest):
        meta = one["metadata"]
        what = f"{one['kind'].lower()}/{meta['name']}"
        yield f"  kubectl -n {meta['namespace']} set image {what} \\\n    main={reference}"
