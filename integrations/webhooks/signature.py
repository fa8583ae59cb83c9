"""Whether a delivery was signed, and lately: Standard Webhooks' headers held to the raw bytes.

Owns authenticity alone; it knows nothing of what the body says. The library makes the expected signature; the time is
compared here, because the library reads the machine's clock and takes `nan` and `1_674` for numbers.
"""

from __future__ import annotations

import binascii
import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook
from starlette.datastructures import Headers

from integrations.webhooks.problems import DeliveryRefusedError
from patchgap.errors import BadInputError
from patchgap.settings import secret

TOLERANCE = 300  # seconds, either way
_MIN_KEY = 16  # bytes
_MAX_SIGNATURES = 16
_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{1,11}", re.ASCII)
_SIGNATURES = re.compile(r"[A-Za-z0-9+/=, ]{1,4096}", re.ASCII)


def secrets_of(reference: str) -> tuple[Webhook, ...]:
    """The signing secrets behind the reference, separated by spaces: two of them while one is rotated.

    Raises DeliveryRefusedError (503) where there is none or one is unfit: nothing is accepted unsigned.
    """
    try:
        found = tuple(_key(text) for text in secret(reference).split())
    except (BadInputError, binascii.Error, EmptyWebhookSecretError, ValueError) as error:
        raise _unconfigured() from error
    if not found:
        raise _unconfigured()
    return found


def _key(text: str) -> Webhook:
    if len(binascii.a2b_base64(text.removeprefix("whsec_") + "==")) < _MIN_KEY:
        raise ValueError("the secret is too short")
    return Webhook(text)


def _unconfigured() -> DeliveryRefusedError:
    return DeliveryRefusedError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"the receiver has no usable signing secret (whsec_ and base64 of at least {_MIN_KEY} bytes)",
        "Set what `webhook.secret` in patchgap's settings refers to.",
    )


def verify(keys: Sequence[Webhook], headers: Headers, body: bytes, now: datetime) -> str:
    """The delivery's id. Raises DeliveryRefusedError: 401 for what is missing, unfit, old or wrongly signed."""
    delivery, signed_at, offered = claimed(headers, now)
    if len(offered) > _MAX_SIGNATURES or not _matches(keys, delivery, signed_at, body, offered):
        raise _refused(
            "webhook-signature does not fit the body", "Sign the raw bytes with the secret that patchgap holds."
        )
    return delivery


def claimed(headers: Headers, now: datetime) -> tuple[str, datetime, list[str]]:
    """The delivery's id, when it says that it was signed, and the signatures that it offers: nothing is proved by
    them. Raises DeliveryRefusedError, 401, for what is missing, unfit or old; a large body is not taken for such."""
    delivery = _one(headers, "webhook-id", _ID)
    timestamp = int(_one(headers, "webhook-timestamp", _TIMESTAMP))
    offered = _one(headers, "webhook-signature", _SIGNATURES).split()
    if not abs(int(now.timestamp()) - timestamp) <= TOLERANCE:
        raise _refused(
            f"webhook-timestamp is more than {TOLERANCE} s from this machine's clock",
            "Sign the message anew when sending it again, and check both clocks.",
        )
    return delivery, datetime.fromtimestamp(timestamp, UTC), offered


def _matches(keys: Sequence[Webhook], delivery: str, signed_at: datetime, body: bytes, offered: Sequence[str]) -> bool:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DeliveryRefusedError(
            HTTPStatus.BAD_REQUEST, "the body is not UTF-8 text", "Send it unpacked, as UTF-8."
        ) from error
    expected = [key.sign(delivery, signed_at, text).encode() for key in keys]
    # Every pair is compared, so that the time taken tells nothing.
    equal = [hmac.compare_digest(e, o.encode()) for e in expected for o in offered]
    return any(equal)


def _one(headers: Headers, name: str, form: re.Pattern[str]) -> str:
    values = headers.getlist(name)
    if len(values) != 1 or not form.fullmatch(values[0]):
        wrong = "is missing" if not values else "stands twice" if len(values) > 1 else "has an unknown form"
        raise _refused(f"the header {name} {wrong}", "Send the three headers of Standard Webhooks, each once.")
    return values[0]


def _refused(problem: str, fix: str) -> DeliveryRefusedError:
    return DeliveryRefusedError(HTTPStatus.UNAUTHORIZED, problem, fix)
