"""What the receiver counts, for Prometheus. Answered to this machine alone: it needs no token that way."""

from __future__ import annotations

import ipaddress

from fastapi import Request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class Gauges:
    """The counters of one receiver."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.deliveries = Counter(
            "patchgap_webhook_deliveries", "Deliveries by status answered.", ["status"], registry=self.registry
        )
        self.sboms = Counter(
            "patchgap_webhook_sboms", "SBOMs sent in, by status answered.", ["status"], registry=self.registry
        )
        self.duplicates = Counter(
            "patchgap_webhook_duplicates", "Deliveries that were stored before.", registry=self.registry
        )
        self.pending = Gauge(
            "patchgap_webhook_pending_signals", "Stored signals that wait for a run.", registry=self.registry
        )
        self.seconds = Histogram(
            "patchgap_webhook_delivery_seconds", "From a delivery's headers to its answer.", registry=self.registry
        )


def asked_from_here(request: Request) -> bool:
    """Whether the request came from this machine, and not through a proxy on it."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
