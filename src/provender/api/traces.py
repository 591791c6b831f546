"""A span for every request, sent to an OpenTelemetry collector where the settings name one.

Its packages are an extra (``provender[otel]``); without an endpoint nothing of them is loaded.
What a span says is what logs say: the template of the route, never an address or a query.
"""

from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from provender.api.watching import method_of, route_of
from provender.core.errors import Unavailable

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

SERVICE = "provender-catalog"
PATH = "/v1/traces"


def provider_to(endpoint: str) -> "TracerProvider":
    """Return what makes spans, and sends them to the collector at ``endpoint`` (OTLP over HTTP).

    Raises:
        Unavailable: the packages of the extra are not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise Unavailable(
            f"traces cannot be sent: {error.name} is not installed",
            hint="pip install 'provender[otel]', or unset PROVENDER_OTEL_ENDPOINT",
        ) from error
    exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + PATH)
    provider = bare_provider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def bare_provider() -> "TracerProvider":
    """Return what makes spans of this service, and sends them nowhere yet."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    return TracerProvider(
        resource=Resource.create({"service.name": SERVICE}), shutdown_on_exit=True
    )


class Traces:
    """Puts every request of ``app`` into a span, within the one that the client says it is in."""

    def __init__(self, app: ASGIApp, *, provider: "TracerProvider") -> None:
        self._app = app
        self._tracer: Tracer = provider.get_tracer("provender.api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from opentelemetry.trace import SpanKind, Status, StatusCode

        method = method_of(scope)
        with self._tracer.start_as_current_span(
            method,
            context=_context(Headers(scope=scope)),
            kind=SpanKind.SERVER,
            record_exception=False,  # its words may hold what was sent
            set_status_on_exception=False,
        ) as span:
            status = 500

            async def sending(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await self._app(scope, receive, sending)
            finally:
                route = route_of(scope)
                span.update_name(f"{method} {route}")
                span.set_attribute("http.request.method", method)
                span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", status)
                identity = scope.get("state", {}).get("request_id", "")
                span.set_attribute("provender.request_id", str(identity))
                if status >= 500:
                    span.set_status(Status(StatusCode.ERROR))


def _context(headers: Headers) -> Any:
    """What the client says its request is a part of."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    told = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
    return TraceContextTextMapPropagator().extract(told)
