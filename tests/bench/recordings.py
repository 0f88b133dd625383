"""Recordings of any size, the same each time: logs, spans and samples of a shop of five services."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

START = 1_772_446_800
SERVICES = ("checkout", "cart", "payment", "inventory", "search")
_BLOCK = 5_000


def json_lines(at: int) -> Iterator[str]:
    yield from lines(at, _json_line)


def text_lines(at: int) -> Iterator[str]:
    yield from lines(at, _text_line)


def lines(at: int, made: Callable[[str, str, str, int], str]) -> Iterator[str]:
    random = Random(7)  # noqa: S311 - no secret
    for number in _counting(at):
        time = datetime.fromtimestamp(START + number * 0.01, UTC).isoformat(timespec="milliseconds")
        level = "ERROR" if random.random() < 0.01 else "INFO"
        yield made(time.replace("+00:00", "Z"), level, SERVICES[number % 5], number)


def _counting(count: int) -> Iterator[int]:
    number = 0
    while number < count or not count:
        yield number
        number += 1


def _json_line(time: str, level: str, service: str, number: int) -> str:
    words = (
        f"order {number * 7919 % 999_983} handled in {number % 887} ms for customer {number % 9973}"
    )
    trace = f"{number // 4 + 1:032x}"
    return (
        f'{{"time":"{time}","level":"{level}","service":"{service}","trace_id":"{trace}",'
        f'"msg":"{words}"}}\n'
    )


def _text_line(time: str, level: str, service: str, number: int) -> str:
    words = f"order {number * 7919 % 999_983} handled in {number % 887} ms"
    return f"{time} {level} [{service}] com.shop.{service}.Handler - {words}\n"


def otlp(count: int) -> Iterator[str]:
    """Yield one JSON document of so many spans, five to a trace."""
    yield '{"resourceSpans": ['
    for at, service in enumerate(SERVICES):
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
        comma = "," if at else ""
        yield f'{comma}{{"resource": {json.dumps(resource)}, "scopeSpans": [{{"spans": ['
        for trace in range(count // 5):
            yield ("," if trace else "") + json.dumps(_otlp_span(trace, at))
        yield "]}]}"
    yield "]}\n"


def _otlp_span(trace: int, at: int) -> dict[str, object]:
    begin = (START * 1000 + trace * 10 + at) * 1_000_000
    return {
        "traceId": f"{trace + 1:032x}",
        "spanId": f"{trace * 5 + at + 1:016x}",
        "parentSpanId": f"{trace * 5 + at:016x}" if at else "",
        "name": f"GET /{SERVICES[at]}",
        "kind": 2,
        "startTimeUnixNano": str(begin),
        "endTimeUnixNano": str(begin + (50 - 9 * at) * 1_000_000),
    }


def jaeger(count: int) -> Iterator[str]:
    """Yield an answer of Jaeger's API of so many spans, five to a trace."""
    processes = {f"p{at}": {"serviceName": service} for at, service in enumerate(SERVICES)}
    yield '{"data": ['
    for trace in range(count // 5):
        spans = [_jaeger_span(trace, at) for at in range(5)]
        one = {"traceID": f"{trace + 1:032x}", "spans": spans, "processes": processes}
        yield ("," if trace else "") + json.dumps(one)
    yield "]}\n"


def _jaeger_span(trace: int, at: int) -> dict[str, object]:
    own = f"{trace * 5 + at + 1:016x}"
    above = {
        "refType": "CHILD_OF",
        "traceID": f"{trace + 1:032x}",
        "spanID": f"{trace * 5 + at:016x}",
    }
    return {
        "traceID": f"{trace + 1:032x}",
        "spanID": own,
        "operationName": f"GET /{SERVICES[at]}",
        "references": [above] if at else [],
        "startTime": (START * 1000 + trace * 10 + at) * 1000,
        "duration": (50 - 9 * at) * 1000,
        "processID": f"p{at}",
        "tags": [],
    }


def prometheus_csv(count: int, series: int = 500) -> Iterator[str]:
    yield "timestamp,service,metric,value\n"
    for number in range(count):
        time, at = divmod(number, series)
        service, metric = SERVICES[at % 5], f"m{at // 5}_bytes"
        yield f"{START + 15 * time},{service},{metric},{1000 + number * 7919 % 997}\n"


def openmetrics(count: int, series: int = 500) -> Iterator[str]:
    for number in range(count):
        time, at = divmod(number, series)
        labels = f'service="{SERVICES[at % 5]}",pod="{SERVICES[at % 5]}-{at % 10}"'
        yield f"m{at // 10}_total{{{labels}}} {time * 3} {START + 15 * time}\n"


def write(path: Path, rows: Iterator[str], *, size: int = 0) -> None:
    """Write the rows, or as many of them as make `size` bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    block: list[str] = []
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            block.append(row)
            if len(block) < _BLOCK:
                continue
            written += file.write("".join(block))
            block.clear()
            if size and written >= size:
                return
        file.write("".join(block))
