"""Exposure documents: read strictly, told by file and line, and shown as the claims that they are."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from graph_fleet import IMAGE, NOW, OTHER, ask, bom, cluster, container, names, reasons, workload

from patchgap.cli import main
from patchgap.errors import BadInputError
from patchgap.graph.claims import Claim, parse_claim
from patchgap.graph.files import read_file
from patchgap.graph.question import Question
from patchgap.graph.sources import put
from patchgap.graph.store import Graph

DOCUMENT = f"""# what the trainer is
artifact:
  image_digest: {IMAGE}
  commit_sha: 0123456789abcdef0123456789abcdef01234567
  sbom_ref: https://sboms.example.org/trainer.json
dependencies:
  - name: pytorch-lightning
    version: "1.5.2"
    transitive: false
  - {{name: aiohttp, version: 3.8.1, transitive: true}}
runtime:
  clusters:
    - name: prod-ml-eu
      namespace: training
      deployment: trainer-v2
      replicas: 8
data_scope:
  classification: sensitive
  writes_to: [model-registry, feature-store]
"""


def add(graph: Graph, text: str = DOCUMENT) -> tuple[str, ...]:
    return put(graph, parse_claim(text.encode(), "trainer.yaml"), NOW)


def test_a_document_answers_whom_a_package_touches(graph: Graph) -> None:
    """With chain, commit, reference and data scope; the cluster and the platform say that it is a claim."""
    assert add(graph) == ()
    (found,) = ask(graph, "pytorch-lightning@1.5.2").exposures
    assert str(found.workload.ref) == "prod-ml-eu (claimed)/training/Deployment/trainer-v2"
    assert (found.workload.ref.platform, found.workload.replicas, found.direct) == ("claimed", 8, True)
    assert (found.artifact.commit[:7], found.artifact.sbom_ref) == ("0123456", "https://sboms.example.org/trainer.json")
    assert (found.workload.data_scope.classification, found.workload.data_scope.writes_to[0]) == (
        "sensitive",
        "model-registry",
    )
    (other,) = ask(graph, "aiohttp@3.8.1").exposures
    assert (other.direct, other.chains) == (None, ())
    assert "cluster prod-ml-eu: it was never read: what runs there is an exposure document's claim" in reasons(
        ask(graph, "aiohttp")
    )


def test_nothing_is_clean_by_a_document(graph: Graph) -> None:
    """Its list is what its author named; a real SBOM beside it may clear the image."""
    add(graph)
    absent = Question.parse("pkg:npm/left-pad@1.0.0")
    assert graph.standing(absent, [IMAGE])[IMAGE].verdict == "unknown"
    graph.add_sbom(bom("pkg:npm/a@1", digest=IMAGE), NOW)
    assert graph.standing(absent, [IMAGE])[IMAGE].verdict == "clean"


def test_a_cluster_that_has_been_read_is_not_overwritten(graph: Graph) -> None:
    """Neither before nor after the document: what the cluster tells is what runs there."""
    add(graph)
    graph.record(cluster(workload("other", container(IMAGE))), NOW)
    assert names(ask(graph, "aiohttp")) == ["other"]
    assert add(graph) == ("prod-ml-eu",)
    assert names(ask(graph, "aiohttp")) == ["other"]
    assert not any("claim" in one for one in reasons(ask(graph, "aiohttp")))


def test_a_document_replaces_what_it_said_before_and_no_other(graph: Graph) -> None:
    """Two images of one deployment stay both; the one that moved is where it is said to be now."""
    add(graph)
    add(graph, DOCUMENT.replace(IMAGE, OTHER).replace("aiohttp", "flask"))
    assert (names(ask(graph, "aiohttp")), names(ask(graph, "flask"))) == (["trainer-v2"], ["trainer-v2"])
    add(graph, DOCUMENT.replace("trainer-v2", "trainer-v3"))
    assert (names(ask(graph, "aiohttp")), names(ask(graph, "flask"))) == (["trainer-v3"], ["trainer-v2"])
    add(graph, DOCUMENT.partition("runtime:")[0])
    assert (names(ask(graph, "aiohttp")), names(ask(graph, "flask"))) == ([], ["trainer-v2"])


@pytest.mark.parametrize(
    ("old", "new", "line", "problem", "fix"),
    [
        ("commit_sha", "comit_sha", 4, "`comit_sha` is no key of artifact", "Did you mean commit_sha?"),
        ("runtime:", "run_time:", 11, "`run_time` is no key of the document", "Did you mean runtime?"),
        ("replicas: 8", "replicas: many", 16, "`replicas` is no number of pods", ""),
        ("replicas: 8", "replicas: -1", 16, "`replicas` is no number of pods", ""),
        ('version: "1.5.2"', "version: 1.5", 8, "`version` is a number: put it in quotes", ""),
        ("transitive: false", "transitive: no", 9, "`transitive` is neither true nor false", ""),
        ("classification: sensitive", "classification: sensitiv", 18, "no classification", "Did you mean sensitive?"),
        (IMAGE, "sha256:abc", 3, "`image_digest` is no digest", ""),
        ('    version: "1.5.2"\n', "", 7, "an entry has no `version`", ""),
        ("      namespace: training\n", "", 13, "an entry has no `namespace`", ""),
        ("runtime:\n", "runtime: &a\n", 11, "an anchor is not taken", ""),
        ("data_scope:", "artifact:", 17, "`artifact` stands twice", ""),
        ("  - name: pytorch", "- [name: pytorch", 8, "this is not YAML", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_line(old: str, new: str, line: int, problem: str, fix: str) -> None:
    """File, line, and the nearest valid key."""
    with pytest.raises(BadInputError) as refused:
        parse_claim(DOCUMENT.replace(old, new, 1).encode(), "trainer.yaml")
    assert str(refused.value).startswith(f"trainer.yaml:{line}: "), str(refused.value)
    assert problem in refused.value.problem
    assert fix in refused.value.fix


def test_json_is_read_the_same(graph: Graph, tmp_path: Path) -> None:
    """By content: neither ending nor order of keys matters."""
    document: dict[str, Any] = {
        "dependencies": [{"name": "aiohttp", "version": "3.8.1"}], "artifact": {"image_digest": IMAGE},
        "runtime": {"clusters": [{"name": "c", "namespace": "n", "deployment": "d"}]},
    }  # fmt: skip
    for n, layout in enumerate((None, 1)):
        path = tmp_path / f"{n}.json"
        path.write_text(json.dumps(document, indent=layout))
        read = read_file(path)
        assert isinstance(read, Claim)
        put(graph, read, NOW)
    assert names(ask(graph, "aiohttp@3.8.1")) == ["d"]


QUESTIONS = (("exposure", "pytorch-lightning"), ("runs", "--since", "1h"))


def assert_named_by_digest(answers: list[str]) -> None:
    """No repository is told of the image: an answer makes none of its digest."""
    assert "image       of an unknown repository (container claimed, running)" in answers[0]
    for answer in answers:
        assert "sha256:" in answer
        assert not re.search("sha256[^ ]*@sha256", answer)


def test_the_command_takes_it_and_says_what_it_took(tmp_path: Path) -> None:
    """A folder with a document and other YAML: the one goes in, the other is skipped; a bad one fails by its line."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "trainer").write_text(DOCUMENT)
    (folder / "values.yaml").write_text("replicas: 3\nimage: x\n")
    words = ["--home", str(tmp_path), "graph", "add"]
    told = CliRunner().invoke(main, [*words, str(folder), "--json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["claims"][0]["workloads"] == ["prod-ml-eu (claimed)/training/Deployment/trainer-v2"]
    assert len(json.loads(told.stdout)["skipped"]) == 1
    assert "2 packages and 1 workload, as it claims" in CliRunner().invoke(main, [*words, str(folder)]).stdout
    assert_named_by_digest([CliRunner().invoke(main, [*words[:2], *one]).stdout for one in QUESTIONS])
    (folder / "trainer").write_text(DOCUMENT.replace("namespace", "namespce"))
    bad = CliRunner().invoke(main, [*words, str(folder)])
    assert bad.exit_code == 2
    assert "trainer:14: `namespce` is no key of an entry" in bad.stderr


@pytest.mark.parametrize(
    "text",
    [
        "artifact:\nruntime: " + "[" * 5000,
        "artifact: {a: &a [x, x]}\nruntime: [*a, *a]\n",
        "artifact: x\ndependencies:\n" + "- {name: a, version: b}\n" * 20_000,
        "artifact: x\nruntime: " + "y" * 3_000_000,
    ],
)
def test_a_bomb_is_refused_at_once(text: str) -> None:
    """Depth, aliases, many values, a long line."""
    begun = time.process_time()
    with pytest.raises(BadInputError):
        parse_claim(text.encode(), "bomb.yaml")
    assert time.process_time() - begun < 10
