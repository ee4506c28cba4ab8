"""Numbers for Prometheus: requests by route and status, how long they took, commits, rows, streams, the revision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from .service import Service

__all__ = ["METRICS_TYPE", "Metrics"]

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The numbers of one process."""

    def __init__(self, service: Service) -> None:
        self._registry = CollectorRegistry()
        names = ("method", "route")
        self._requests = Counter(
            "recordroom_requests", "Requests that were answered.", (*names, "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "recordroom_request_seconds",
            "Time until an answer was sent.",
            names,
            registry=self._registry,
            buckets=_SECONDS,
        )
        self._known: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        self._registry.register(_OfService(service))

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """One answer was sent."""
        found = self._known.get((method, route, status))
        if found is None:
            found = self._requests.labels(method, route, status), self._seconds.labels(method, route)
            self._known[method, route, status] = found
        found[0].inc()
        found[1].observe(seconds)

    def text(self) -> bytes:
        """All of them as Prometheus reads them."""
        return generate_latest(self._registry)


class _OfService:
    """What the service counts itself."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Any]:
        counts = self._service.counts
        yield CounterMetricFamily("recordroom_commits", "Commits that were applied.", value=counts.commits)
        yield CounterMetricFamily("recordroom_rows", "Rows that were sent.", value=counts.rows)
        yield GaugeMetricFamily("recordroom_streams", "Streams that are being read.", value=self._service.streams)
        yield GaugeMetricFamily("recordroom_revision", "The newest revision seen.", value=counts.revision)
