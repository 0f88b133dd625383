"""Reading Prometheus, Loki, Jaeger and Tempo for two windows, within bounds."""

import base64
from pathlib import Path

import anyio
import orjson
import pytest

from incidents.live import endpoint, record
from incidents.live_windows import LiveWindows
from tests.incidents.live.sources import answering
from weft.core import JsonObject
from weft.core.errors import ConfigError
from weft.core.result import Window

T = 1_772_359_200.0
WINDOWS = LiveWindows(
    incident=Window(start=T, end=T + 900), baseline=Window(start=T - 7200, end=T - 900)
)
SERIES: JsonObject = {
    "status": "success",
    "data": {
        "resultType": "matrix",
        "result": [{"metric": {"__name__": "orders_total", "job": "orders"}, "values": [[T, "1"]]}],
    },
}


def _content(path: Path) -> list[JsonObject]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


@pytest.mark.requirement("DIAG-19")
async def test_prometheus_is_read_in_windows_by_name(tmp_path: Path) -> None:
    names = ["go_goroutines", *(f"metric_{number}" for number in range(30))]
    replies = {
        "/api/v1/label/__name__/values": {"status": "success", "data": names},
        "/api/v1/query": SERIES,
        "/api/v1/query_range": {**SERIES, "warnings": ["partial"]},
    }
    async with answering(replies) as source:
        recording = await record([endpoint("prometheus", source.url)], WINDOWS, tmp_path)

    assert {file.signal for file in recording.files} == {"metrics"}
    assert sorted(file.part for file in recording.files) == ["baseline"] * 30 + ["incident"] * 30
    assert _content(recording.files[0].path) == [{**SERIES, "warnings": ["partial"]}]
    raw = [query for path, query in source.queries if path == "/api/v1/query"]
    stepped = [query for path, query in source.queries if path == "/api/v1/query_range"]
    assert {query["time"] for query in raw} == {f"{T + 900:.3f}"}
    assert all(query["query"].endswith("[900s]") for query in raw)
    assert {(query["start"], query["step"]) for query in stepped} == {(f"{T - 7200:.3f}", "53")}
    assert {query["query"] for query in stepped} == {
        f'{{__name__="metric_{number}"}}' for number in range(30)
    }
    assert not any("go_goroutines" in query["query"] for query in [*raw, *stepped])
    said = " ".join(problem.problem for problem in recording.problems)
    assert "1 of 31 metrics were left out" in said
    assert "it warns: partial" in said


@pytest.mark.requirement("DIAG-19")
async def test_a_file_is_called_by_the_address_that_shows_the_same(tmp_path: Path) -> None:
    replies = {
        "/base/api/v1/label/__name__/values": {"data": ["up"]},
        "/base/api/v1/query": SERIES,
        "/base/api/v1/query_range": SERIES,
    }
    async with answering(replies) as source:
        address = source.url.replace("//", "//ana:s3cret@") + "/base/"
        recording = await record([endpoint("prometheus", address)], WINDOWS, tmp_path)

    urls = [file.url for file in recording.files]
    assert urls[0].startswith(f"{source.url}/base/api/v1/query_range?query=")
    assert "s3cret" not in repr(recording) + repr(endpoint("prometheus", address))
    pair = base64.b64encode(b"ana:s3cret").decode()
    assert {headers["authorization"] for headers in source.headers} == {f"Basic {pair}"}


@pytest.mark.requirement("DIAG-19")
async def test_loki_is_read_evenly_over_each_window(tmp_path: Path) -> None:
    line = [f"{int(T)}123456789", "level=error boom"]
    replies: dict[str, object] = {
        "/loki/api/v1/labels": {"status": "success", "data": ["pod", "app"]},
        "/loki/api/v1/query_range": {
            "data": {
                "resultType": "streams",
                "result": [{"stream": {"app": "orders"}, "values": [line, ["x", "y"], 7]}],
            }
        },
    }
    async with answering(replies) as source:
        recording = await record([endpoint("loki", source.url, tenant="t1")], WINDOWS, tmp_path)

    queries = [query for path, query in source.queries if path.endswith("query_range")]
    assert len(queries) == 24
    assert {query["query"] for query in queries} == {'{app=~".+"}'}
    assert {query["direction"] for query in queries} == {"forward"}
    starts = sorted(int(query["start"]) for query in queries)
    assert starts[12] == int(T) * 10**9
    assert starts[13] - starts[12] == 75 * 10**9
    assert {headers["x-scope-orgid"] for headers in source.headers} == {"t1"}
    assert _content(recording.files[0].path) == [
        {
            "timestamp": "2026-03-01T10:00:00.123456789Z",
            "labels": {"app": "orders"},
            "line": "level=error boom",
        }
    ]


async def test_what_was_cut_is_said(tmp_path: Path) -> None:
    values = [[f"{int(T)}000000000", "x"]] * 2_500
    stream: object = {"stream": {"job": "a"}, "values": values}
    replies: dict[str, object] = {
        "/loki/api/v1/labels": {"data": ["job"]},
        "/loki/api/v1/query_range": {"data": {"resultType": "streams", "result": [stream]}},
    }
    async with answering(replies) as source:
        recording = await record([endpoint("loki", source.url)], WINDOWS, tmp_path)

    words = [problem.problem for problem in recording.problems]
    assert words == [
        "baseline: only the first 2500 lines were read of 12 of 12 slices",
        "incident: only the first 2500 lines were read of 12 of 12 slices",
    ]


@pytest.mark.requirement("DIAG-19")
async def test_jaeger_is_read_service_by_service(tmp_path: Path) -> None:
    replies: dict[str, object] = {
        "/api/services": {"data": ["orders", "cart"]},
        "/api/traces": {"data": [{"traceID": "a", "spans": [], "processes": {}}]},
    }
    async with answering(replies) as source:
        recording = await record([endpoint("jaeger", source.url)], WINDOWS, tmp_path)

    queries = [query for path, query in source.queries if path == "/api/traces"]
    assert [query["service"] for query in queries] == ["cart", "cart", "orders", "orders"]
    assert {query["start"] for query in queries} == {"1772352000000000", "1772359200000000"}
    assert {file.signal for file in recording.files} == {"traces"}


@pytest.mark.requirement("DIAG-19")
async def test_tempo_is_read_trace_by_trace(tmp_path: Path) -> None:
    batch: JsonObject = {"resource": {}, "scopeSpans": []}
    replies: dict[str, object] = {
        "/api/search": {"traces": [{"traceID": "2f3e"}, {"traceID": "../../x"}, {"traceID": "ab"}]},
        "/api/traces/2f3e": {"batches": [batch]},
    }
    async with answering(replies) as source:
        recording = await record([endpoint("tempo", source.url)], WINDOWS, tmp_path)

    assert [file.part for file in recording.files] == ["baseline", "incident"]
    assert _content(recording.files[0].path) == [{"batches": [batch]}]
    paths = {path for path, _ in source.queries}
    assert paths == {"/api/search", "/api/traces/2f3e", "/api/traces/ab"}
    assert "/api/traces/ab: it answers 404: go away" in recording.problems[0].problem


@pytest.mark.requirement("DIAG-20")
@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (503, "it answers 503: go away"),
        (401, "it answers 401: go away"),
        (302, "it answers 302: go away"),
        (b"<html>", "its answer is no JSON"),
        (b"[]", "its answer is no JSON object"),
        (b"{" + b" " * (33 << 20), "its answer is larger than 32 MB"),
    ],
)
async def test_a_source_that_gives_nothing_costs_itself_only(
    tmp_path: Path, reply: int | bytes, words: str
) -> None:
    good: dict[str, object] = {"/api/services": {"data": ["a"]}, "/api/traces": {"data": []}}
    async with answering({"/loki/api/v1/labels": reply}) as bad, answering(good) as other:
        sources = [endpoint("loki", bad.url), endpoint("jaeger", other.url)]
        recording = await record(sources, WINDOWS, tmp_path)

    assert [(each.file, each.problem) for each in recording.problems] == [
        (f"loki {bad.url}", words)
    ]
    assert len(recording.files) == 2
    assert [path for path, _ in bad.queries] == ["/loki/api/v1/labels"]


@pytest.mark.requirement("DIAG-20")
async def test_a_source_that_is_away_or_silent_is_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_tcp_port: int
) -> None:
    monkeypatch.setattr("incidents.live.endpoints.QUERY_SECONDS", 0.2)
    async with answering({"/api/services": None}) as silent:
        away = endpoint("prometheus", f"http://127.0.0.1:{free_tcp_port}")
        with anyio.fail_after(5):
            recording = await record([away, endpoint("jaeger", silent.url)], WINDOWS, tmp_path)

    assert recording.files == []
    words = {problem.file.split()[0]: problem.problem for problem in recording.problems}
    assert words["prometheus"].startswith("it does not answer: ")
    assert words["jaeger"] == "it did not answer within 0 s"


async def test_odd_answers_cost_themselves_only(tmp_path: Path) -> None:
    odd: dict[str, object] = {
        "/api/services": {"data": [1, None, "orders", {"a": 1}]},
        "/api/traces": {"data": 7},
    }
    async with answering(odd) as source:
        recording = await record([endpoint("jaeger", source.url)], WINDOWS, tmp_path)

    assert len(recording.files) == 2


@pytest.mark.parametrize(
    "url", ["ftp://x", "localhost:9090", "http://", "http://x/?a=b", "http://x/#y"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="the URL of loki is no http"):
        endpoint("loki", url)


def test_a_token_comes_from_its_file(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("abc\n")

    assert endpoint("tempo", "https://t", token_file=token).authorization == "Bearer abc"
    token.write_text(" ")
    with pytest.raises(ConfigError, match="is empty"):
        endpoint("tempo", "https://t", token_file=token)
    with pytest.raises(ConfigError, match="cannot be read"):
        endpoint("tempo", "https://t", token_file=tmp_path / "none")
