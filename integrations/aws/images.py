"""Images in ECR: which repository a workload's image comes from, and an image put where nothing can pull it.

Owns the archive as the way of holding an image back, and the repository's tags that say for which incidents. A tag and the
archive are two calls: the tag comes first and goes last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.aws.account import Account
from integrations.aws.inventory.reading import tags_of
from patchgap.errors import ConflictError, RefusedError, UnreachableError

READ_PERMISSIONS = ("ecr:DescribeRepositories", "ecr:DescribeImages", "ecr:ListTagsForResource")
PERMISSIONS = (*READ_PERMISSIONS, "ecr:UpdateImageStorageClass", "ecr:TagResource", "ecr:UntagResource")
ACTIVE, ARCHIVED = "ACTIVE", "ARCHIVED"
_HOST = re.compile(r"^(\d{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^@:]+)")
_PREFIX = "patchgap.dev/block/"
_MOST = 40  # a repository bears 50 tags


@dataclass(frozen=True, slots=True)
class Place:
    """A repository of a registry: the account's number, the region and the name."""

    number: str
    region: str
    name: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image as ECR has it. `restored` is when it last came out of the archive, in seconds, 0 where it never did;
    `holders` are the incidents that hold it there, with the `restored` that each found."""

    digest: str
    status: str
    restored: int
    holders: Mapping[str, int]


def place_of(image: str) -> Place | None:
    """Where an image reference points to in ECR; None for another registry."""
    found = _HOST.match(image)
    return Place(*found.groups()) if found else None


def repository(account: Account, region: str, name: str, uid: str = "") -> Mapping[str, Any]:
    """The repository, with `uid` as what no other has. Raises NotFoundError, and ConflictError for another one."""
    told = next(iter(account.read("ecr", "DescribeRepositories", region, repositoryNames=[name])["repositories"]), None)
    if told is None:  # ECR refuses what is not there
        raise UnreachableError(f"account {account.name} does not tell of repository {name}", "Run it again later.")
    identity = f"{told['repositoryArn']}#{told['createdAt'].isoformat()}"
    if uid and identity != uid:
        raise ConflictError(
            f"account {account.name}: repository {name} is another one than the planned ({identity}, planned {uid})",
            "Refresh the inventory and plan again.",
        )
    return {**told, "uid": identity}


def images(account: Account, region: str, found: Mapping[str, Any]) -> dict[str, Image]:
    """Every image that the repository holds, by digest."""
    tags = tags_of(account.read("ecr", "ListTagsForResource", region, resourceArn=found["repositoryArn"])["tags"])
    asked = {"repositoryName": found["repositoryName"], "PaginationConfig": {"PageSize": 1000}}
    held = {}
    for one in account.pages("ecr", "DescribeImages", "imageDetails", region, **asked):
        digest = str(one["imageDigest"])
        restored = int(one["lastActivatedAt"].timestamp()) if one.get("lastActivatedAt") else 0
        holders = _read(tags.get(_key(digest), ""))
        held[digest] = Image(digest, str(one.get("imageStatus") or ACTIVE), restored, holders)
    return held


@dataclass(frozen=True, slots=True)
class Archive:
    """One repository's images, as an incident holds them back."""

    account: Account
    region: str
    arn: str
    name: str
    incident: str

    def hold(self, image: Image) -> None:
        """Puts the image into the archive, for the incident. Raises ConflictError where somebody has taken it out."""
        if image.status == ARCHIVED and not image.holders:
            return  # its owner's own doing
        self._refuse_foreign(image)
        if self.incident not in image.holders:
            self._tag(image.digest, {**image.holders, self.incident: image.restored})
        if image.status != ARCHIVED:
            self._move(image.digest, "ARCHIVE")

    def let_go(self, image: Image) -> str:
        """Takes the image out of the archive, unless another incident holds it too; says what became of it."""
        if self.incident not in image.holders:
            return f"{image.digest} is not held by this incident"
        others = {k: v for k, v in image.holders.items() if k != self.incident}
        if others:
            self._tag(image.digest, others)
            return f"{image.digest} stays in the archive: {', '.join(sorted(others))} holds it too"
        if image.status == ARCHIVED:
            self._refuse_foreign(image)
            self._move(image.digest, "STANDARD")
        key = _key(image.digest)
        self.account.write("ecr", "UntagResource", self.region, resourceArn=self.arn, tagKeys=[key])
        return f"{image.digest} is taken out of the archive, which takes ECR up to 20 minutes"

    def _refuse_foreign(self, image: Image) -> None:
        if image.holders.get(self.incident, image.restored) != image.restored:
            raise ConflictError(
                f"account {self.account.name}: somebody has taken {self.name}@{image.digest} out of the archive meanwhile",
                "Decide with whoever did it (CloudTrail knows); nothing was overwritten.",
            )

    def _tag(self, digest: str, holders: Mapping[str, int]) -> None:
        value = " ".join(f"{k}={v}" for k, v in sorted(holders.items()))
        tags = [{"Key": _key(digest), "Value": value}]
        self.account.write("ecr", "TagResource", self.region, resourceArn=self.arn, tags=tags)

    def _move(self, digest: str, to: str) -> None:
        asked = {"repositoryName": self.name, "imageId": {"imageDigest": digest}, "targetStorageClass": to}
        self.account.write("ecr", "UpdateImageStorageClass", self.region, **asked)


def refuse_many(name: str, count: int) -> None:
    """Raises RefusedError where the repository cannot bear a tag for each."""
    if count > _MOST:
        raise RefusedError(
            f"repository {name} holds {count} affected images; one incident holds back {_MOST} in a repository",
            "Narrow the scope, or deny pulls from the repository by hand.",
        )


def _key(digest: str) -> str:
    return _PREFIX + digest.removeprefix("sha256:")[:24]


def _read(text: str) -> dict[str, int]:
    parts = (part.partition("=") for part in text.split())
    return {k: int(v) for k, _, v in parts if v.isdigit()}
