"""SBOMs from S3: paged, each object bounded, one bad among many; on moto's server over a real socket."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from click.testing import CliRunner, Result
from moto.server import ThreadedMotoServer

from integrations.aws import sources
from patchgap.cli import main
from patchgap.graph.question import Question
from patchgap.graph.store import Graph
from patchgap.storage import connect

PURL = "pkg:npm/left-pad@1.0.0"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "testing", "AWS_REGION": "eu-central-1",
        "AWS_SECRET_ACCESS_KEY": "a-secret-that-no-log-may-hold", "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    httpx.post(f"http://{host}:{port}/moto-api/reset", trust_env=False)
    client = boto3.session.Session().client("s3")
    client.create_bucket(Bucket="sboms", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield client
    server.stop()


def sbom(n: int) -> bytes:
    document = {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:{n}",
        "metadata": {"component": {"type": "container", "name": "app", "version": f"sha256:{n:064x}"}},
        "components": [{"type": "library", "name": "left-pad", "purl": PURL}],
    }  # fmt: skip
    return json.dumps(document).encode()


def add(home: Path, address: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "graph", "add", "--json", address])


def affected(home: Path) -> int:
    return len(Graph(connect(f"sqlite:///{home / 'patchgap.db'}")).affected_digests(Question.parse(PURL)))


def test_every_object_below_a_prefix_goes_in(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one page; what stands beside the prefix does not, and folders of a console are none."""
    monkeypatch.setattr(sources, "PAGE", 4)
    for n in range(13):
        s3.put_object(Bucket="sboms", Key=f"team/{n}.json", Body=sbom(n % 5))
    s3.put_object(Bucket="sboms", Key="team/", Body=b"")
    s3.put_object(Bucket="sboms", Key="team/packed", Body=gzip.compress(sbom(7)))
    s3.put_object(Bucket="sboms", Key="other/9.json", Body=sbom(9))
    told = add(tmp_path, "s3://sboms/team/")
    assert told.exit_code == 0, told.stderr
    assert len(json.loads(told.stdout)["sboms"]) == 14
    assert affected(tmp_path) == 6
    assert json.loads(add(tmp_path, "s3://sboms/team/").stdout)["new"] == 0


def test_one_bad_object_is_named_and_the_others_go_in(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too large, swelling, broken: each by its address; a text is skipped."""
    monkeypatch.setattr(sources, "MAX_BYTES", 5000)
    bodies = {
        "good.json": sbom(1), "large.json": sbom(2) + b" " * 5000, "bomb.gz": gzip.compress(b"{" + b" " * 3_000_000),
        "half.gz": gzip.compress(sbom(3))[:-9], "readme.txt": b"hello", "bad.json": b'{"bomFormat": "CycloneDX", "components": 7}',
    }  # fmt: skip
    for key, body in bodies.items():
        s3.put_object(Bucket="sboms", Key=key, Body=body)
    told = add(tmp_path, "s3://sboms")
    assert told.exit_code == 2
    document = json.loads(told.stdout)
    failed = {one["file"].rpartition("/")[2]: one["problem"] for one in document["failed"]}
    assert set(failed) == {"large.json", "bomb.gz", "half.gz", "bad.json"}
    assert "larger than" in failed["large.json"]
    assert "larger than" in failed["bomb.gz"]
    assert [one["file"] for one in document["skipped"]] == ["s3://sboms/readme.txt"]
    assert affected(tmp_path) == 1


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("s3://nowhere-at-all", "s3://nowhere-at-all is not there (NoSuchBucket)"),
        ("s3://sboms/nothing/", "no object is there"),
        ("s3://", "it names no bucket"),
        ("s3://SBOMS/x", "it names no bucket"),
    ],
)
def test_what_is_not_there_is_told(s3: Any, tmp_path: Path, address: str, problem: str) -> None:
    """One sentence, exit 2."""
    told = add(tmp_path, address)
    assert told.exit_code == 2
    assert problem in told.stderr


def test_an_endpoint_that_is_down_and_missing_credentials_are_told(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a value of any secret."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    down = add(tmp_path, "s3://sboms")
    assert "s3://sboms did not answer" in down.stderr
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    none = add(tmp_path, "s3://sboms")
    assert "AWS has no credentials here" in none.stderr
    assert "a-secret-that-no-log-may-hold" not in down.output + none.output
