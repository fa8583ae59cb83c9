"""Files of one capture in an S3 bucket, or in anything that speaks S3: the one place where patchgap writes objects.

Credentials are those that AWS's own tools find. It needs `s3:PutObject`, `s3:GetObject` and, to tell what is not there from
what may not be read, `s3:ListBucket`.
"""

from __future__ import annotations

from integrations.aws.account import Account
from patchgap.errors import NotFoundError, RefusedError
from patchgap.settings import AwsAccount, ForensicsSettings

_LARGEST = 64 << 20  # bytes of a file that is read back


class Bucket:
    """The objects below one prefix."""

    def __init__(self, settings: ForensicsSettings, timeout_seconds: float, bucket: str, prefix: str) -> None:
        known = AwsAccount(
            name=bucket,
            regions=(settings.region,),
            profile=settings.profile,
            endpoint=settings.endpoint,
        )
        self._account = Account(known, timeout_seconds)
        self._bucket, self._prefix = bucket, prefix

    @property
    def shown(self) -> str:
        """The prefix's address."""
        return f"s3://{self._bucket}/{self._prefix}"

    def read(self, name: str) -> bytes | None:
        """The object's bytes. Raises NotFoundError where there is no such bucket."""
        try:
            answer = self._account.read("s3", "GetObject", Bucket=self._bucket, Key=f"{self._prefix}/{name}")
        except NotFoundError:
            self._account.read("s3", "HeadBucket", Bucket=self._bucket)
            return None
        with self._account.reading("s3", "GetObject"):
            content: bytes = answer["Body"].read(_LARGEST + 1)
        _ = answer["ETag"]  # else it is no object, but what a proxy says
        if len(content) > _LARGEST:
            raise RefusedError(f"{self.shown}/{name} is larger than any file of a capture", "Look at who wrote it.")
        return content

    def write(self, name: str, content: bytes, *, once: bool = False) -> None:
        """Puts the object, its checksum with it."""
        only = {"IfNoneMatch": "*"} if once else {}
        key = f"{self._prefix}/{name}"
        asked = {"Bucket": self._bucket, "Key": key, "Body": content, "ChecksumAlgorithm": "SHA256", **only}
        _ = self._account.write("s3", "PutObject", **asked)["ETag"]  # as above
