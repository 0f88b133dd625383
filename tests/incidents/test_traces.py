"""Spans of every layout are read into one form, and what cannot be read is told."""

import base64
import gzip
import json
import lzma
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.files import DataFile
from incidents.traces import Span, Traces, read_traces
from incidents.traces.reading import MOST_SPANS

TRACE = "0af7651916cd43dd8448eb211c80319c"
T0 = 1_700_000_000.0
Json = dict[str, Any]


def read(path: Path, content: object, name: str = "spans.json", most: int = MOST_SPANS) -> Traces:
    """Read one file that holds this text, or this JSON."""
    text = content if isinstance(content, str) else json.dumps(content)
    (path / name).write_text(text)
    return read_traces([DataFile(path / name, name)], most)


def words(traces: Traces) -> list[str]:
    return [problem.problem for problem in traces.problems]


def brief(spans: Iterable[Span]) -> set[tuple[str, str, str, str, float, float, bool]]:
    return {
        (one.service, one.operation, one.span_id, one.parent_id, round(one.start - T0, 3),
         round(one.duration, 6), one.error)
        for one in spans
    }  # fmt: skip


EXPECTED = {
    ("front", "GET /cart", "a1a1a1a1a1a1a1a1", "", 0.0, 0.5, False),
    ("cart", "load", "b2b2b2b2b2b2b2b2", "a1a1a1a1a1a1a1a1", 0.25, 0.125, True),
}


def otlp_span(span_id: str, parent: str = "", **fields: object) -> Json:
    return {
        "traceId": TRACE, "spanId": span_id, "parentSpanId": parent, "name": "GET /cart",
        "kind": 2, "startTimeUnixNano": str(int(T0 * 1e9)),
        "endTimeUnixNano": str(int((T0 + 0.5) * 1e9)), "status": {}, **fields,
    }  # fmt: skip


def resource(name: str, spans: list[Json], scopes: str = "scopeSpans") -> Json:
    named = {"key": "service.name", "value": {"stringValue": name}}
    return {"resource": {"attributes": [named]}, scopes: [{"spans": spans}]}


FRONT = otlp_span("A1A1A1A1A1A1A1A1", "0000000000000000")
LOAD = otlp_span(
    "b2b2b2b2b2b2b2b2", "a1A1a1a1a1a1a1a1", name="load", kind="SPAN_KIND_SERVER",
    startTimeUnixNano=int((T0 + 0.25) * 1e9), endTimeUnixNano=int((T0 + 0.375) * 1e9),
    status={"code": "STATUS_CODE_ERROR"},
)  # fmt: skip
EXPORTS = [resource("front", [FRONT]), resource("cart", [LOAD])]


def encoded(span: Json) -> Json:
    """Write ids as JSON made from protobuf by the book does."""
    ids = ("traceId", "spanId", "parentSpanId")
    return span | {name: base64.b64encode(bytes.fromhex(span[name])).decode() for name in ids}


def jaeger_span(span_id: str, parent: str, process: str, start: float, seconds: float) -> Json:
    above = [{"refType": "CHILD_OF", "traceID": TRACE, "spanID": parent}] if parent else []
    return {
        "traceID": TRACE, "spanID": span_id, "references": above, "processID": process,
        "startTime": int((T0 + start) * 1e6), "duration": int(seconds * 1e6),
        "operationName": "load" if parent else "GET /cart",
        "tags": [{"key": "http.status_code", "type": "string", "value": "503"}] if parent else [],
    }  # fmt: skip


JAEGER: Json = {
    "data": [{
        "traceID": TRACE,
        "spans": [
            jaeger_span("a1a1a1a1a1a1a1a1", "", "p1", 0, 0.5),
            jaeger_span("b2b2b2b2b2b2b2b2", "A1A1A1A1A1A1A1A1", "p2", 0.25, 0.125),
        ],
        "processes": {"p1": {"serviceName": "front"}, "p2": {"serviceName": "cart"}},
    }],
    "total": 0,
}  # fmt: skip


def zipkin_span(span_id: str, parent: str, service: str, start: float, seconds: float) -> Json:
    return {
        "traceId": TRACE, "id": span_id, **({"parentId": parent} if parent else {}),
        "name": "load" if parent else "GET /cart", "timestamp": int((T0 + start) * 1e6),
        "duration": int(seconds * 1e6), "localEndpoint": {"serviceName": service},
        "tags": {"error": "timed out"} if parent else {},
    }  # fmt: skip


ZIPKIN = [
    zipkin_span("a1a1a1a1a1a1a1a1", "", "front", 0, 0.5),
    zipkin_span("b2b2b2b2b2b2b2b2", "a1a1a1a1a1a1a1a1", "cart", 0.25, 0.125),
]
TABLE = (
    "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration\n"
    f"{TRACE},a1a1a1a1a1a1a1a1,root,front-6f6cfc45b-d9pnv,GET /cart,"
    f"{int(T0 * 1e9)},{int((T0 + 0.5) * 1e9)},0\n"
    f"{TRACE},b2b2b2b2b2b2b2b2,A1A1A1A1A1A1A1A1,cart-0,load,"
    f"{int((T0 + 0.25) * 1e9)},{int((T0 + 0.375) * 1e9)},0\n"
)
LAYOUTS: dict[str, Any] = {
    "OTLP document": {"resourceSpans": EXPORTS},
    "OTLP indented": json.dumps({"resourceSpans": EXPORTS}, indent=2),
    "OTLP lines": "\n".join(json.dumps({"resourceSpans": [one]}) for one in EXPORTS),
    "OTLP of old": {
        "resourceSpans": [
            resource("front", [FRONT], "instrumentationLibrarySpans"),
            resource("cart", [LOAD], "instrumentationLibrarySpans"),
        ]
    },
    "OTLP base64": {
        "resourceSpans": [resource("front", [encoded(FRONT)]), resource("cart", [encoded(LOAD)])]
    },
    "OTLP resource last": {"resourceSpans": [dict(reversed(one.items())) for one in EXPORTS]},
    "Tempo": {"batches": EXPORTS},
    "Tempo v2": {"trace": {"resourceSpans": EXPORTS}},
    "Jaeger": JAEGER,
    "Jaeger processes first": {"data": [dict(reversed(JAEGER["data"][0].items()))]},
    "Jaeger, version 3": {"result": {"resourceSpans": EXPORTS}},
    "Jaeger, one trace": JAEGER["data"][0],
    "Jaeger, traces by line": "\n".join(json.dumps(one) for one in JAEGER["data"] * 2),
    "Zipkin": ZIPKIN,
    "Zipkin traces": [ZIPKIN[:1], ZIPKIN[1:]],
    "Zipkin lines": "\n".join(json.dumps(one) for one in ZIPKIN),
    "Nezha": TABLE,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_read_alike(tmp_path: Path, name: str) -> None:
    content = LAYOUTS[name]

    traces = read(tmp_path, content, "spans.csv" if content is TABLE else "spans")

    errors = {(*one[:6], False) for one in EXPECTED} if name == "Nezha" else EXPECTED
    assert brief(traces.spans) == errors
    assert words(traces) == []


def test_a_packed_document_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "t.json.gz").write_bytes(gzip.compress(json.dumps(JAEGER).encode()))

    traces = read_traces([DataFile(tmp_path / "t.json.gz", "t.json.gz")])

    assert brief(traces.spans) == EXPECTED


def test_a_copy_of_a_span_counts_once(tmp_path: Path) -> None:
    again = [otlp_span("a1a1a1a1a1a1a1a1"), FRONT, LOAD]

    traces = read(tmp_path, {"resourceSpans": [*EXPORTS, resource("front", again)]})

    assert brief(traces.spans) == EXPECTED


@pytest.mark.parametrize(
    "times",
    [
        {"endTimeUnixNano": str(int((T0 - 1) * 1e9))},
        {"startTimeUnixNano": "0"},
        {"endTimeUnixNano": "0"},
        {"endTimeUnixNano": str(int((T0 + 90 * 86400) * 1e9))},
        {"startTimeUnixNano": "9" * 19, "endTimeUnixNano": "9" * 19},
    ],
)
def test_impossible_times_and_lengths_are_skipped_and_told(tmp_path: Path, times: Json) -> None:
    odd = otlp_span("c3c3c3c3c3c3c3c3", **times)

    traces = read(tmp_path, {"resourceSpans": [*EXPORTS, resource("mail", [odd])]})

    assert brief(traces.spans) == EXPECTED
    assert words(traces) == [
        "1 spans end before they begin, last too long, or have no real time",
        "1 malformed rows were skipped",
    ]


@pytest.mark.parametrize(
    "field",
    [
        {"startTimeUnixNano": "soon"}, {"endTimeUnixNano": None}, {"startTimeUnixNano": "9" * 400},
        {"startTimeUnixNano": "²"}, {"name": ""}, {"name": 7}, {"spanId": ""}, {"traceId": None},
    ],
)  # fmt: skip
def test_a_damaged_span_costs_itself_alone(tmp_path: Path, field: Json) -> None:
    odd = otlp_span("c3c3c3c3c3c3c3c3", **field)

    traces = read(tmp_path, {"resourceSpans": [resource("mail", [odd]), *EXPORTS]})

    assert brief(traces.spans) == EXPECTED
    assert words(traces) == ["1 malformed rows were skipped"]


def test_damaged_json_costs_the_span_it_stands_in(tmp_path: Path) -> None:
    text = json.dumps({"resourceSpans": [resource("mail", [otlp_span("c3" * 8)]), *EXPORTS]})

    traces = read(tmp_path, text.replace('"kind": 2', '"kind": 2x3', 1))

    assert brief(traces.spans) == EXPECTED
    assert words(traces) == ["1 malformed rows were skipped"]


def test_a_span_takes_the_service_of_its_deployment_then_of_its_own_process(
    tmp_path: Path,
) -> None:
    deployment = {"key": "k8s.deployment.name", "value": {"stringValue": "mail"}}
    unnamed = {"key": "service.name", "value": {"stringValue": "unknown_service:java"}}
    inside = otlp_span("c3c3c3c3c3c3c3c3", "b2b2b2b2b2b2b2b2", kind=1)
    below = otlp_span("d4d4d4d4d4d4d4d4", "c3c3c3c3c3c3c3c3", kind=3)
    another = otlp_span("e5e5e5e5e5e5e5e5", "d4d4d4d4d4d4d4d4", kind=2)
    root = otlp_span("f6f6f6f6f6f6f6f6", kind=1)
    sent = otlp_span("0707070707070707", "a1a1a1a1a1a1a1a1", kind=2)
    bare = {"scopeSpans": [{"spans": [inside, below, another, root]}]}
    deployed = {
        "resource": {"attributes": [unnamed, deployment]},
        "scopeSpans": [{"spans": [sent]}],
    }

    traces = read(tmp_path, {"resourceSpans": [bare, deployed, *EXPORTS]})

    services = {span.span_id[:2]: span.service for span in traces.spans}
    assert services == {
        "a1": "front", "b2": "cart", "c3": "cart", "d4": "cart", "e5": "unknown", "f6": "unknown",
        "07": "mail",
    }  # fmt: skip
    assert words(traces) == ["2 of 7 spans name no service: they are called 'unknown'"]


def test_broken_parents_are_told(tmp_path: Path) -> None:
    torn = otlp_span("c3c3c3c3c3c3c3c3", "dddddddddddddddd")

    traces = read(tmp_path, {"resourceSpans": [*EXPORTS, resource("mail", [torn])]})

    assert words(traces) == ["1 of 3 spans name a parent that is not there"]


def test_both_sides_of_a_call_with_one_id_are_told_apart(tmp_path: Path) -> None:
    client = zipkin_span("b2b2b2b2b2b2b2b2", "a1a1a1a1a1a1a1a1", "front", 0.2, 0.25)
    server = zipkin_span("B2B2B2B2B2B2B2B2", "a1a1a1a1a1a1a1a1", "cart", 0.25, 0.125)
    below = zipkin_span("c3c3c3c3c3c3c3c3", "b2b2b2b2b2b2b2b2", "cart", 0.3, 0.05)
    spans = [
        ZIPKIN[0], below, server | {"kind": "SERVER", "shared": True}, client | {"kind": "CLIENT"}
    ]  # fmt: skip

    traces = read(tmp_path, spans)

    above = {(one.service, one.span_id): one.parent_id for one in traces.spans}
    assert above == {
        ("front", "a1a1a1a1a1a1a1a1"): "",
        ("front", "b2b2b2b2b2b2b2b2~caller"): "a1a1a1a1a1a1a1a1",
        ("cart", "b2b2b2b2b2b2b2b2"): "b2b2b2b2b2b2b2b2~caller",
        ("cart", "c3c3c3c3c3c3c3c3"): "b2b2b2b2b2b2b2b2",
    }
    assert words(traces) == []


def test_of_too_many_spans_whole_traces_are_kept_and_it_is_said(tmp_path: Path) -> None:
    spans = [
        otlp_span(span_id, parent, traceId=f"{number:032x}")
        for number in range(1, 401)
        for span_id, parent in (("a1" * 8, ""), ("b2" * 8, "a1" * 8))
    ]

    traces = read(tmp_path, {"resourceSpans": [resource("front", spans)]}, most=300)

    kept = {span.trace_id for span in traces.spans}
    assert 100 < len(traces.spans) <= 300
    assert len(traces.spans) == 2 * len(kept)
    said = "sampled: one in 4 of its rows was read, evenly over its time"
    assert words(traces) == [said]
    assert [(file.rows, file.reason) for file in traces.files] == [(len(traces.spans), said)]


def test_of_one_trace_of_too_many_spans_a_share_is_kept_and_it_is_said(tmp_path: Path) -> None:
    spans = [otlp_span(f"{number:016x}") for number in range(1, 41)]

    traces = read(tmp_path, {"resourceSpans": [resource("front", spans)]}, most=30)

    assert 10 < len(traces.spans) <= 30
    assert words(traces) == ["sampled: one in 2 of its rows was read, evenly over its time"]


@pytest.mark.parametrize(
    "text", ["nonsense", "[]", '{"resourceSpans": 5', '{"some": "thing"}', "a,b\n1,2\n"]
)
def test_what_holds_no_spans_is_a_problem(tmp_path: Path, text: str) -> None:
    traces = read(tmp_path, text)

    assert traces.spans == []
    assert len(traces.problems) == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":5},7,{}]}]},9]}',
        '{"data":[{"spans":[{"spanID":"x","startTime":"then","tags":3,"references":1}]},1]}',
        '[{"traceId":7,"id":[],"timestamp":"x"},3,[[]]]',
    ],
)
def test_spans_of_the_wrong_shape_are_counted(tmp_path: Path, text: str) -> None:
    traces = read(tmp_path, text)

    assert traces.spans == []
    assert "malformed rows" in words(traces)[0]


def test_a_document_of_very_many_values_takes_little_memory(tmp_path: Path) -> None:
    """A few kilobytes of archive would take gigabytes of memory."""
    bomb = tmp_path / "t.json.xz"
    bomb.write_bytes(lzma.compress(b'{"data":[{"spans":[]},' + b"{}," * 60_000 + b"{}]}"))
    (tmp_path / "good.json").write_text(json.dumps(JAEGER))

    tracemalloc.start()
    traces = read_traces([DataFile(bomb, bomb.name), DataFile(tmp_path / "good.json", "good.json")])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert brief(traces.spans) == EXPECTED
    assert most < 20 << 20


@given(st.sampled_from(sorted(LAYOUTS)), st.data())
def test_whatever_is_damaged_in_a_file_nothing_raises(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    content = LAYOUTS[name]
    text = content if isinstance(content, str) else json.dumps(content)
    at = data.draw(st.integers(0, len(text)))
    odd = data.draw(st.text(max_size=4) | st.sampled_from(['"', "}", "]", "\\", "1e999", "null"]))
    path = tmp_path_factory.mktemp("t")

    traces = read(path, f"{text[:at]}{odd}{text[at + len(odd) :]}", "spans")

    assert len(traces.spans) <= 2 * len(EXPECTED)
