"""The fixtures of the receiver's tests; what they hold is in `desk`."""

from tests.integrations.webhooks.desk import desk, opening

__all__ = ["desk", "opening"]
