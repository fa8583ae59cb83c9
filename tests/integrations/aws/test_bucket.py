"""A capture in a bucket: moto's server over HTTP."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from aws_estate import REGION, Estate

from integrations.keeping import digest_of, keep, kept, place_of
from patchgap.errors import ConflictError, NotFoundError, RefusedError
from patchgap.settings import ForensicsSettings, Settings

FILES = {"a.json": b"{}", "log_p_main.txt": b"hello\n"}


def may_write() -> None:
    """Nobody has raised the switch."""


def settings(moto: str, home: Path, to: str = "s3://evidence/pg") -> Settings:
    forensics = ForensicsSettings(to=to, region=REGION, endpoint=moto)
    return Settings(home=home, database_url="sqlite://", forensics=forensics)


def test_a_capture_is_kept_whole_once_and_its_change_is_told(estate: Estate, moto: str, tmp_path: Path) -> None:
    """The index comes last and is never written over; an object that was changed since is a conflict."""
    s3 = boto3.client("s3", region_name=REGION, endpoint_url=moto)
    s3.create_bucket(Bucket="evidence", CreateBucketConfiguration={"LocationConstraint": REGION})
    place = place_of(settings(moto, tmp_path), "inc-1", "prod")
    assert place.shown == "s3://evidence/pg/inc-1/prod"
    assert kept(place) == {}
    assert keep(place, FILES, may_write) == kept(place) == {n: digest_of(c) for n, c in FILES.items()}
    with pytest.raises(ConflictError):
        keep(place, FILES, may_write)
    s3.put_object(Bucket="evidence", Key="pg/inc-1/prod/a.json", Body=b"[]")
    with pytest.raises(ConflictError, match=r"a\.json is not what was captured"):
        kept(place)


def test_a_bucket_that_is_not_there_is_told(estate: Estate, moto: str, tmp_path: Path) -> None:
    """It is no empty capture."""
    with pytest.raises(NotFoundError):
        kept(place_of(settings(moto, tmp_path, "s3://nowhere/pg"), "inc-1"))


def test_a_raised_switch_stops_before_the_next_file(estate: Estate, moto: str, tmp_path: Path) -> None:
    """What was written has no index: it is no capture."""
    s3 = boto3.client("s3", region_name=REGION, endpoint_url=moto)
    s3.create_bucket(Bucket="evidence", CreateBucketConfiguration={"LocationConstraint": REGION})
    place, asked = place_of(settings(moto, tmp_path), "inc-1"), []

    def stopped() -> None:
        asked.append(1)
        if len(asked) > 1:
            raise RefusedError("stopped", "resume")

    with pytest.raises(RefusedError):
        keep(place, FILES, stopped)
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="evidence")["Contents"]] == ["pg/inc-1/a.json"]
    assert kept(place) == {}
