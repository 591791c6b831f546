"""Numbers about the catalog's server, for Prometheus: requests by route and status, and what it holds."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from provender.api.watching import Answered

PREFIX = "provender_catalog"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds: the upper ends of the histogram's buckets; one more is without end."""
PUBLISHING = "/datasets/{name}/versions"
CREATED = 201


class Metrics:
    """The numbers of one process, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        by_route = ("method", "route")
        self._requests = Counter(
            f"{PREFIX}_requests",
            "Requests answered, by route and status.",
            (*by_route, "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            f"{PREFIX}_request_seconds",
            "Time from a request to the end of its answer.",
            by_route,
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._published = Counter(
            f"{PREFIX}_versions_published",
            "Versions that clients published over HTTP and that were new.",
            registry=self._registry,
        )

    def __call__(self, answered: Answered) -> None:
        """Count a request; an observer of `Watch`."""
        self._requests.labels(answered.method, answered.route, str(answered.status)).inc()
        self._seconds.labels(answered.method, answered.route).observe(answered.seconds)
        is_publication = answered.method == "POST" and answered.route.endswith(PUBLISHING)
        if is_publication and answered.status == CREATED:
            self._published.inc()

    def gauge(self, name: str, text: str, asked: Callable[[], float]) -> None:
        """Let ``asked`` give the number ``name`` whenever somebody looks."""
        Gauge(f"{PREFIX}_{name}", text, registry=self._registry).set_function(asked)

    def page(self) -> bytes:
        """Return Prometheus' text of the numbers."""
        return generate_latest(self._registry)

    def answer(self, request: Request) -> Response:
        """Return the page to who asks for it: the endpoint of ``/metrics``."""
        return Response(self.page(), media_type=None, headers={"content-type": CONTENT_TYPE})
