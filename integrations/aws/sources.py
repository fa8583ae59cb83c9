"""`s3://BUCKET/PREFIX`: SBOMs, provenance and VEX in a bucket, or in anything that speaks S3.

Credentials, region and endpoint are those that AWS's own tools find. Every object is bounded, and one that cannot be had or
is something else is told; the others go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from patchgap.errors import BadInputError, NotFoundError, PatchgapError, RefusedError, UnreachableError
from patchgap.graph.documents import MAX_BYTES, too_large, unpacked
from patchgap.graph.sources import Failed, Fetched, Found
from patchgap.ports import Connections
from patchgap.registry import source
from patchgap.settings import Settings

_ADDRESS = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>.*))?", re.DOTALL)
_SECONDS = 10
_MOST = 100_000  # objects under one prefix
_CHUNK = 1 << 20
PAGE = 1000  # keys a request; S3 gives no more
_NOT_THERE = frozenset({"NoSuchBucket", "NoSuchKey", "404"})
_NOT_ALLOWED = frozenset({"AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"})


@source
class BucketSource:
    """Reads every object below a prefix, page by page."""

    scheme: ClassVar[str] = "s3"

    def fetch(self, address: str, connections: Connections) -> Iterator[Found]:  # noqa: ARG002  (the protocol's)
        """The objects. Raises BadInputError for the address or where nothing is there, and where the bucket cannot be
        listed NotFoundError, RefusedError or UnreachableError."""
        match = _ADDRESS.fullmatch(address)
        if match is None:
            raise BadInputError(address, "it names no bucket", "Write s3://BUCKET/PREFIX.")
        client, found = _client(), 0
        for item in _listed(client, match["bucket"], match["prefix"] or ""):
            key = str(item["Key"])
            if key.endswith("/") and not item.get("Size"):
                continue  # what a console shows as a folder
            found += 1
            where = f"s3://{match['bucket']}/{key}"
            if found > _MOST:
                raise BadInputError(address, f"more than {_MOST} objects are there", "Name a longer prefix.")
            try:
                yield Fetched(where, _content(client, match["bucket"], key, item, where))
            except PatchgapError as error:
                yield Failed(where, error)
        if not found:
            raise BadInputError(address, "no object is there", "Name a prefix of objects that are.")

    def address_of(self, image: str, digest: str, settings: Settings) -> str:  # noqa: ARG002  (the protocol's)
        """A bucket is not asked for one image."""
        return ""


def _client() -> Any:
    import boto3  # imported late: costs half a second
    from botocore.config import Config

    bounds = Config(connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"mode": "standard", "max_attempts": 3})
    with _told("AWS"):
        return boto3.session.Session().client("s3", config=bounds)


def _listed(client: Any, bucket: str, prefix: str) -> Iterator[Mapping[str, Any]]:
    pages = iter(
        client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": PAGE}
        )
    )
    while True:
        with _told(f"s3://{bucket}"):
            page = next(pages, None)
        if page is None:
            return
        yield from page.get("Contents", ())


def _content(client: Any, bucket: str, key: str, item: Mapping[str, Any], where: str) -> bytes:
    """The object, unpacked where it is gzip or zstd."""
    if item.get("Size", 0) > MAX_BYTES:
        raise too_large(where, MAX_BYTES)
    content = bytearray()
    with _told(where):
        body = client.get_object(Bucket=bucket, Key=key)["Body"]
        try:
            while len(content) <= MAX_BYTES and (part := body.read(_CHUNK)):
                content += part
        finally:
            body.close()
    return unpacked(bytes(content), where, MAX_BYTES)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Makes boto3's refusals ours; a foreign message is not shown, for it may quote what was signed."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        raise _refusal(where, str(error.response.get("Error", {}).get("Code", ""))[:60]) from error
    except NoCredentialsError as error:
        raise RefusedError(
            "AWS has no credentials here", "Set them as for AWS's own tools: a profile, variables or a role."
        ) from error
    except (BotoCoreError, OSError) as error:
        raise UnreachableError(
            f"{where} did not answer ({type(error).__name__})", "Check AWS_REGION, AWS_ENDPOINT_URL and the network."
        ) from error


def _refusal(where: str, code: str) -> PatchgapError:
    if code in _NOT_THERE:
        return NotFoundError(f"{where} is not there ({code})", "Check the address.")
    if code in _NOT_ALLOWED:
        return RefusedError(f"{where} may not be read ({code})", "Grant s3:ListBucket and s3:GetObject on it.")
    return UnreachableError(f"{where} cannot be read ({code})", "Try again later.")
