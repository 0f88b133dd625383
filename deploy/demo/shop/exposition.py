"""The instruments of a process, and their page in the Prometheus text format."""

import asyncio
import resource
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    NumberDataPoint,
    Sum,
)

SECONDS = (
    *(0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.006, 0.008, 0.012, 0.02, 0.035, 0.06, 0.1),
    *(0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0),
)
"""Upper bounds of every histogram of durations."""

_TICK = 0.05
_STATM = Path("/proc/self/statm")


def gauge(meter: Meter, name: str, read: Callable[[], float]) -> None:
    """Show what `read` returns, asked anew at each scrape."""

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(read())

    meter.create_observable_gauge(name, [observe])


@asynccontextmanager
async def process_watched(meter: Meter) -> AsyncGenerator[None, None]:
    """Tell CPU, memory and the event loop's worst lag since the last scrape."""

    def cpu(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(time.process_time())

    lag = LoopLag()
    meter.create_observable_counter("process_cpu_seconds_total", [cpu])
    gauge(meter, "process_resident_memory_bytes", _resident)
    gauge(meter, "event_loop_lag_seconds", lag.take)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(lag.watch())
        try:
            yield
        finally:
            watching.cancel()


class LoopLag:
    """The longest a sleeping task woke too late."""

    def __init__(self) -> None:
        self._worst = 0.0

    async def watch(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_TICK)
            self._worst = max(self._worst, time.perf_counter() - before - _TICK)

    def take(self) -> float:
        """Return the worst so far and begin anew."""
        worst, self._worst = self._worst, 0.0
        return worst


def exposition(reader: InMemoryMetricReader) -> str:
    """Render what every instrument holds now."""
    data = reader.get_metrics_data()
    lines = [
        line
        for told in (data.resource_metrics if data else ())
        for scope in told.scope_metrics
        for metric in scope.metrics
        for line in _lines(metric)
    ]
    return "\n".join(lines) + "\n"


def _lines(metric: Metric) -> Iterable[str]:
    yield f"# TYPE {metric.name} {_kind(metric)}"
    for point in metric.data.data_points:
        labels = {key: str(value) for key, value in (point.attributes or {}).items()}
        if isinstance(point, HistogramDataPoint):
            yield from _histogram(metric.name, point, labels)
        elif isinstance(point, NumberDataPoint):
            yield f"{metric.name}{_labels(labels)} {point.value}"


def _kind(metric: Metric) -> str:
    if isinstance(metric.data, Sum):
        return "counter" if metric.data.is_monotonic else "gauge"
    if any(isinstance(point, HistogramDataPoint) for point in metric.data.data_points):
        return "histogram"
    return "gauge"


def _histogram(name: str, point: HistogramDataPoint, labels: Mapping[str, str]) -> Iterable[str]:
    running = 0
    bounds = [*map(str, point.explicit_bounds), "+Inf"]
    for bound, count in zip(bounds, point.bucket_counts, strict=True):
        running += count
        yield f"{name}_bucket{_labels({**labels, 'le': bound})} {running}"
    yield f"{name}_sum{_labels(labels)} {point.sum}"
    yield f"{name}_count{_labels(labels)} {point.count}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


def _resident() -> float:
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
