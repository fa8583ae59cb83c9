"""What an AWS account answers while something is wrong on the way: each try is bounded, and half an answer is none."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aws_estate import REGION, Estate

from integrations.aws import denials, images, keys, quarantine, reach, secrets, sending
from integrations.aws.account import Account
from integrations.aws.bucket import Bucket
from integrations.rehearsal.faults import BY_NAME
from patchgap.errors import UnreachableError
from patchgap.model.workload import WorkloadRef
from patchgap.settings import AwsAccount, ForensicsSettings

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


PAGE = '<html xmlns="http://www.w3.org/1999/xhtml"><body>Sign in to go on</body></html>'
SAID = ("<html>Sign in<br></html>", PAGE, '{"clusterArns": [', "[]", "{}", "", "<ListUsersResponse><Lis", "<Response/>")


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Account]]:
    """An account before which a proxy answers everything with these words and status 200."""
    words: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.end_headers()  # neither a length nor chunks: the connection's end is the answer's
            self.wfile.write(words[-1].encode())

        def do_GET(self) -> None:
            self.do_POST()

        def do_PUT(self) -> None:
            self.do_POST()

        def log_message(self, *_given: Any) -> None:
            """Says nothing."""

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    with HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        where = AwsAccount(name="prod-aws", regions=(REGION,), endpoint=f"http://127.0.0.1:{proxy.server_port}")

        def said(text: str) -> Account:
            words.append(text)
            return Account(where, 2)

        yield said
        proxy.shutdown()


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize(
    ("service", "operation", "key"),
    [
        ("ecs", "ListClusters", "clusterArns"),
        ("lambda", "ListFunctions", "Functions"),
        ("iam", "ListUsers", "Users"),
        ("ec2", "DescribeSecurityGroups", "SecurityGroups"),
    ],
)
def test_what_is_no_list_of_aws_is_no_empty_list(
    proxied: Callable[[str], Account], said: str, service: str, operation: str, key: str
) -> None:
    """A proxy's page with status 200, or a document that ends with the connection: nothing is known to run nowhere."""
    with pytest.raises(UnreachableError):
        list(proxied(said).pages(service, operation, key))


@pytest.mark.parametrize("said", [*SAID, "<GetUserResponse/>", '{"Configuration": {}, "services": []}'])
def test_what_is_no_answer_of_aws_is_unknown(proxied: Callable[[str], Account], said: str) -> None:
    """Neither another library's error, nor that the thing is gone; and a key that may have been made is told so."""
    account = proxied(said)
    service = WorkloadRef("aws", "prod-aws", f"{REGION}.shop", "EcsService", "checkout", "")
    function = WorkloadRef("aws", "prod-aws", REGION, "LambdaFunction", "report", "")
    for ask in (
        account.identity,
        lambda: reach._service(account, service),
        lambda: reach._function(account, function),
        lambda: keys.user_of(account, "checkout"),
        lambda: keys.keys_of(account, "checkout"),
        lambda: keys._made(account, "checkout", datetime(2026, 11, 24, tzinfo=UTC)),
        lambda: denials.find(account, "role", "policy"),
        lambda: quarantine.find(account, REGION, "vpc-1", "inc-1"),
        lambda: images.repository(account, REGION, "checkout"),
        lambda: secrets.key_in(account, f"arn:aws:secretsmanager:{REGION}:1:secret:checkout-a1b2c3"),
    ):
        with pytest.raises(UnreachableError):
            ask()


@pytest.mark.parametrize("said", [PAGE, "", "{}", "<Response/>"])
def test_a_write_that_a_proxy_answers_is_not_taken_for_done(proxied: Callable[[str], Account], said: str) -> None:
    """Also of those that AWS answers without a word of its own."""
    account, policy = proxied(said), {"RoleName": "a", "PolicyName": "b", "PolicyDocument": "{}"}
    for service, operation, asked in (
        ("iam", "PutRolePolicy", policy),
        ("ec2", "DeleteSecurityGroup", {"GroupId": "a"}),
    ):
        with pytest.raises(UnreachableError):
            account.write(service, operation, "", **asked)


@pytest.mark.parametrize("said", [PAGE, "", "{}"])
def test_what_a_proxy_says_is_no_file_of_a_capture(proxied: Callable[[str], Account], said: str) -> None:
    """It bears no tag of an object's content: nothing was read, and nothing written."""
    forensics = ForensicsSettings(region=REGION, endpoint=proxied(said).settings.endpoint)
    place = Bucket(forensics, 2, "captures", "inc-1")
    with pytest.raises(UnreachableError):
        place.read("index.json")
    with pytest.raises(UnreachableError):
        place.write("index.json", b"{}")
