"""Logs and metrics. Neither ever holds petition text, identity data or a key: only routes, codes, counts and times."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Awaitable, Callable

import structlog
from fastapi import Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from api.errors import unexpected
from api.store.petitions import new_id

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Next = Callable[[Request], Awaitable[Response]]


class Metrics:
    """One registry an app, so that two apps in one process (tests) do not share counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "fenban_requests_total", "Requests", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "fenban_request_seconds",
            "Time to answer",
            ["route"],
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.petitions = Counter("fenban_petitions_total", "Petitions stored", registry=self.registry)
        self.abstained = Counter(
            "fenban_abstained_total", "Suggestions that abstained", registry=self.registry
        )
        self.model = Gauge("fenban_model_info", "The active model", ["version"], registry=self.registry)


def configure_logging(level: str) -> None:
    """JSON lines on stderr, each written at once: several workers share it."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping().get(level.upper(), 20)
        ),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


async def observe(request: Request, call_next: Next) -> Response:
    """Log and count one request by its route's pattern, never by its path: ids stay out."""
    started = time.perf_counter()
    request_id = new_id()[:12]
    structlog.contextvars.bind_contextvars(request_id=request_id)
    try:
        response = await call_next(request)
    except Exception as error:
        response = unexpected(request, error)
    finally:
        structlog.contextvars.clear_contextvars()
    seconds = time.perf_counter() - started
    route = getattr(request.scope.get("route"), "path", "unmatched")
    # Both labels are ours to choose from, else any sender could fill the registry, or write in the log.
    method = request.method if request.method in _METHODS else "other"
    metrics: Metrics = request.app.state.metrics
    metrics.requests.labels(method, route, str(response.status_code)).inc()
    metrics.seconds.labels(route).observe(seconds)
    response.headers["X-Request-Id"] = request_id
    structlog.get_logger("fenban").info(
        "request",
        request_id=request_id,
        method=method,
        route=route,
        status=response.status_code,
        milliseconds=round(seconds * 1000, 1),
    )
    return response
