"""Signs a delivery as Standard Webhooks does: for the drill, for tests, for a first hand-made signal."""

from __future__ import annotations

from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from patchgap.errors import BadInputError


def sign(secret: str, webhook_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers for `body` (UTF-8), and its content type. `secret` is one `whsec_…`; `at` has a zone.
    Raises BadInputError for a body that is no text: the receiver takes none."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BadInputError("the body", "it is not UTF-8 text", "Sign and send it unpacked, as UTF-8.") from error
    moment = at.astimezone(UTC)
    return {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, moment, text),
    }
