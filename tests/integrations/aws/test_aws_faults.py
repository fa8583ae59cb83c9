"""What an AWS account answers while something is wrong on the way: each try is bounded, and half an answer is none."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aws_estate import REGION, Estate

from integrations.aws import sending
from integrations.aws.account import Account
from integrations.rehearsal.faults import BY_NAME
from patchgap.errors import UnreachableError
from patchgap.settings import AwsAccount

sys.path.append(str(Path(__file__).parents[3] / "benchmarks" / "contain"))

from fault_front import Front

PROTOCOLS = {  # each of AWS' ways to answer
    "query": ("sts", "GetCallerIdentity", {}),
    "json": ("ecs", "ListClusters", {}),
    "rest-json": ("lambda", "ListFunctions", {}),
    "rest-xml": ("s3", "ListBuckets", {}),
}


@pytest.fixture
def front() -> Iterator[Front]:
    with Front() as made:
        yield made


@pytest.fixture
def account(front: Front, estate: Estate, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account whose answers can be spoilt, each tried for half a second."""
    monkeypatch.setattr(sending, "_GRACE", 0.1)
    return Account(AwsAccount(name="prod-aws", regions=(REGION,), endpoint=front.at(estate.endpoint)), 0.4)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_call_that_must_not_be_repeated_ends_in_time_and_says_that_no_answer_came(
    account: Account, front: Front, protocol: str
) -> None:
    """Whatever spoils the only try: never another library's error, never an empty answer."""
    service, operation, asked = PROTOCOLS[protocol]
    for tries, (name, fault) in enumerate(BY_NAME.items(), 1):
        front.faults.plan(fault)
        began = time.monotonic()
        with pytest.raises(UnreachableError):
            account.write_once(service, operation, "", **asked)
        assert time.monotonic() - began < 10, name
        assert len(front.asked) == tries, name


def test_a_read_that_meets_a_fault_once_is_repeated(account: Account, front: Front) -> None:
    for fault in ("reset", "truncated", "drip"):
        before = len(front.asked)
        front.faults.plan(BY_NAME[fault])
        assert account.read("ecs", "ListClusters")["clusterArns"] is not None
        assert len(front.asked) > before + 1, "the spoilt try and the next"


def test_an_object_that_drips_is_no_object(account: Account, front: Front, estate: Any) -> None:
    """The body of what is streamed is bounded too."""
    s3 = estate.client("s3")
    s3.create_bucket(Bucket="captures", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="captures", Key="a", Body=b"x" * 100)
    front.faults.plan(BY_NAME["drip"])
    with pytest.raises(UnreachableError):
        account.write_once("s3", "GetObject", "", Bucket="captures", Key="a")
    assert account.read("s3", "GetObject", Bucket="captures", Key="a")["Body"].read() == b"x" * 100


@pytest.mark.parametrize("said", ["<html>Sign in to go on</html>", '{"clusterArns": [', "[]", "{}", ""])
@pytest.mark.parametrize("protocol", ["json", "rest-json"])
def test_what_is_no_list_of_aws_is_no_empty_list(monkeypatch: pytest.MonkeyPatch, said: str, protocol: str) -> None:
    """A proxy's page with status 200, or a document that ends with the connection: nothing is known to run nowhere."""

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.end_headers()  # neither a length nor chunks: the connection's end is the answer's
            self.wfile.write(said.encode())

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_given: Any) -> None:
            """Says nothing."""

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    service, operation, _ = PROTOCOLS[protocol]
    with HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        where = AwsAccount(name="prod-aws", regions=(REGION,), endpoint=f"http://127.0.0.1:{proxy.server_port}")
        with pytest.raises(UnreachableError):
            list(Account(where, 2).pages(service, operation, "clusterArns" if protocol == "json" else "Functions"))
        proxy.shutdown()
