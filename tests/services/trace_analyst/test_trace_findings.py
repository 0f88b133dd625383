"""The trace analyst finds whom added time belongs to, and where requests stop."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from incidents.cases import DataRoots
from incidents.traces import Span
from services.trace_analyst.tools import ANALYZE_TRACES
from services.trace_analyst.trees import critical_path, self_time, trees
from weft.core import Claim
from weft.core.errors import DataRefusedError

ALERT = 1_700_001_000
Spans = list[Span]
Serve = Callable[[int, float], Spans]


def span(
    name: str, start: float, milliseconds: float, *, parent: str = "", error: bool = False
) -> Span:
    """Make a span; `name` is its service, a space, its operation, and its id too."""
    service, operation = name.split(" ", 1)
    end = start + milliseconds / 1000
    return Span("t", name, parent, service, operation, start, end, error, "f", 1)


def served(at: float, *, query: float = 4, way: float = 1, store: bool = True) -> Spans:
    """One request: the shop calls the store, which runs a query, then mails."""
    inner = query + 2 if store else 0
    spans = [
        span("shop GET /", at, inner + 2 * way + 12),
        span("shop POST store", at + 0.002, inner + 2 * way, parent="shop GET /"),
        span("mail send", at + 0.004 + (inner + 2 * way) / 1000, 4, parent="shop GET /"),
    ]
    if not store:
        return spans[:1]
    begin = at + 0.002 + way / 1000
    return [
        *spans,
        span("store handle", begin, inner, parent="shop POST store"),
        span("store query", begin + 0.001, query, parent="store handle"),
    ]


def usual(_n: int, at: float) -> Spans:
    return served(at)


def slow_query(_n: int, at: float) -> Spans:
    return served(at, query=300)


def slow_way(_n: int, at: float) -> Spans:
    return served(at, way=400)


def stops(_n: int, at: float) -> Spans:
    """The store answers without its query, and the shop does not mail."""
    return [one for one in served(at) if one.span_id not in ("store query", "mail send")]


def fails(_n: int, at: float) -> Spans:
    failing = ("shop GET /", "shop POST store", "store handle")
    return [
        Span(
            one.trace_id, one.span_id, one.parent_id, one.service, one.operation, one.start,
            one.end, error=one.span_id in failing, file="f", line=1,
        )
        for one in served(at)
    ]  # fmt: skip


def write(path: Path, start: float, serve: Serve, *, count: int = 30) -> None:
    listed = []
    for n in range(count):
        for one in serve(n, start + n):
            resource = {
                "attributes": [{"key": "service.name", "value": {"stringValue": one.service}}]
            }
            told = {
                "traceId": f"{n:032x}", "spanId": one.span_id, "parentSpanId": one.parent_id,
                "name": one.operation, "status": {"code": 2 if one.error else 0},
                "startTimeUnixNano": str(int(one.start * 1e6) * 1000),
                "endTimeUnixNano": str(int(one.end * 1e6) * 1000),
            }  # fmt: skip
            listed.append({"resource": resource, "scopeSpans": [{"spans": [told]}]})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"resourceSpans": listed}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "baseline/traces/traces.json", ALERT - 900, usual)
    facts = {
        "alert_time_unix": ALERT,
        "baseline": "baseline",
        "logs": [],
        "traces": ["traces.json"],
    }
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "case.json").write_text(json.dumps(facts))
    return tmp_path


def happened(root: Path, serve: Serve) -> None:
    write(root / "case/traces/traces.json", ALERT, serve)


async def analyzed(root: Path, data: str = "case") -> dict[str, Any]:
    analyze_traces = ANALYZE_TRACES.tool(DataRoots([root]))
    found: dict[str, Any] = await to_thread.run_sync(analyze_traces, data)
    return found


def causes(found: dict[str, Any]) -> dict[str, float]:
    made = [Claim.model_validate(claim) for claim in found["claims"]]
    return {claim.subject: claim.strength for claim in made if claim.kind == "cause"}


async def test_self_time_belongs_to_the_service_that_spends_it(root: Path) -> None:
    happened(root, slow_query)

    found = await analyzed(root)

    first = found["findings"][0]
    assert (first["kind"], first["service"]) == ("added_time", "store")
    assert first["evidence"]["baseline"]["median_ms"] == pytest.approx(4, abs=0.1)
    assert first["evidence"]["incident"]["median_ms"] == pytest.approx(300, abs=0.1)
    assert first["evidence"]["spans"][0]["file"] == "case/traces/traces.json"
    assert causes(found)["store"] > 0.9
    assert list(causes(found)) == ["store"]


async def test_time_between_caller_and_called_belongs_to_the_called(root: Path) -> None:
    happened(root, slow_way)

    found = await analyzed(root)

    assert "the way from shop to store" in found["findings"][0]["text"]
    strengths = causes(found)
    assert strengths["store"] > 0.7
    assert strengths["store"] > 3 * strengths.get("shop", 0.0)


async def test_one_slow_call_among_few_normal_ones_hides_nothing(root: Path) -> None:
    def seldom(n: int, at: float) -> Spans:
        return served(at, way=900 if n == 2 else 1)

    write(root / "baseline/traces/traces.json", ALERT - 900, seldom, count=6)
    happened(root, slow_way)

    result = await analyzed(root)

    assert "the way from shop to store" in result["findings"][0]["text"]
    assert max(causes(result), key=causes(result).__getitem__) == "store"


async def test_a_few_slow_calls_are_no_slowness_where_normal_times_have_as_many(root: Path) -> None:
    def seldom(n: int, at: float) -> Spans:
        return served(at, way=900 if n % 3 == 2 else 1)

    write(root / "baseline/traces/traces.json", ALERT - 900, seldom, count=6)
    happened(root, seldom)

    assert max(causes(await analyzed(root)).values(), default=0.0) < 0.1


async def test_traces_in_a_file_of_another_name_are_held_against_normal_times(root: Path) -> None:
    write(root / "case/traces/today.json", ALERT - 40, usual, count=20)
    began = json.loads((root / "case/traces/today.json").read_text())
    write(root / "case/traces/today.json", ALERT, stops)
    went_on = json.loads((root / "case/traces/today.json").read_text())
    whole = {"resourceSpans": began["resourceSpans"][:3] + went_on["resourceSpans"]}
    (root / "case/traces/today.json").write_text(json.dumps(whole))
    facts = {"alert_time_unix": ALERT, "baseline": "baseline", "traces": ["today.json"]}
    (root / "case/case.json").write_text(json.dumps(facts))

    assert causes(await analyzed(root))["store"] > 0.3


async def test_a_caller_whose_every_call_is_slow_is_blamed_itself(root: Path) -> None:
    def fan(_n: int, at: float, *, slow: float = 0.0) -> Spans:
        calls: Spans = [span("shop GET /", at, 3 * (10 + slow) + 10)]
        for place, name in enumerate(("store", "mail", "bank")):
            begin = at + 0.002 + place * (10 + slow) / 1000
            calls.append(span(f"shop POST {name}", begin, 8 + slow, parent="shop GET /"))
            calls.append(span(f"{name} do", begin + slow / 1000, 7, parent=f"shop POST {name}"))
        return calls

    write(root / "baseline/traces/traces.json", ALERT - 900, fan)
    happened(root, lambda n, at: fan(n, at, slow=90))

    strengths = causes(await analyzed(root))

    assert max(strengths, key=strengths.__getitem__) == "shop"


async def test_a_missing_operation_is_found_at_the_deepest_place(root: Path) -> None:
    happened(root, stops)

    found = await analyzed(root)

    missing = [each for each in found["findings"] if each["kind"] == "missing_operation"]
    assert missing[0]["service"] == "store"
    assert missing[0]["text"] == (
        "store handle no longer calls store query (0 of 30 now, 30 of 30 before)"
    )
    strengths = causes(found)
    assert max(strengths, key=strengths.__getitem__) == "store"
    assert strengths.get("shop", 0.0) < 0.2


async def test_an_error_is_blamed_where_it_began(root: Path) -> None:
    happened(root, fails)

    found = await analyzed(root)

    failing = [each for each in found["findings"] if each["kind"] == "failing"]
    assert [each["service"] for each in failing] == ["store"]
    assert failing[0]["evidence"]["incident"] == {"failed": 30, "of": 60}


async def test_a_call_that_fails_on_a_silent_service_speaks_against_that_service(
    root: Path,
) -> None:
    def given_up(_n: int, at: float) -> Spans:
        return [
            Span(
                one.trace_id, one.span_id, one.parent_id, one.service, one.operation, one.start,
                one.end, error=one.span_id == "shop POST store", file="f", line=1,
            )
            for one in served(at)
        ]  # fmt: skip

    happened(root, given_up)

    found = await analyzed(root)

    assert [each["service"] for each in found["findings"] if each["kind"] == "failing"] == ["store"]


async def test_the_critical_path_of_the_slowest_request_is_shown(root: Path) -> None:
    happened(root, lambda n, at: served(at, query=300 if n == 7 else 4))

    found = await analyzed(root)

    (path,) = [each for each in found["findings"] if each["kind"] == "critical_path"]
    assert path["evidence"]["trace_id"] == f"{7:032x}"
    assert path["evidence"]["critical_path"][0]["operation"] == "GET /"


async def test_traces_as_usual_give_no_cause(root: Path) -> None:
    happened(root, usual)

    assert causes(await analyzed(root)) == {}


async def test_bad_files_are_told_and_the_rest_is_analyzed(root: Path) -> None:
    happened(root, slow_query)
    facts = json.loads((root / "case/case.json").read_text())
    facts["traces"] += ["gone.json", "empty.json", "odd.json"]
    (root / "case/case.json").write_text(json.dumps(facts))
    (root / "case/traces/empty.json").write_text("")
    (root / "case/traces/odd.json").write_text("no json")

    found = await analyzed(root)

    told = {each["file"].rsplit("/", 1)[-1]: each["problem"] for each in found["problems"]}
    assert told == {
        "gone.json": "does not exist",
        "empty.json": "is empty",
        "odd.json": "is in no format that is read",
    }
    assert causes(found)["store"] > 0.9


async def test_a_refused_directory_is_an_error(root: Path) -> None:
    with pytest.raises(DataRefusedError):
        await analyzed(root, "/etc")


async def test_the_same_traces_give_the_same_answer(root: Path) -> None:
    happened(root, stops)

    assert await analyzed(root) == await analyzed(root)


def test_spans_in_a_circle_and_endless_chains_are_borne() -> None:
    circle = [span("a x", 1.0, 5, parent="b x"), span("b x", 1.0, 5, parent="a x")]
    chain = [span(f"c {n}", 2.0 + n / 1e6, 5, parent=f"c {n - 1}") for n in range(5000)]

    nodes = trees([*circle, *chain])

    assert len(nodes) == 5002
    assert all(len(critical_path(node)) <= 301 for node in nodes[:3])


def test_a_sibling_that_waits_is_not_counted_as_self_time() -> None:
    nodes = trees(
        [span("a root", 1.0, 100), span("a answer", 1.001, 98, parent="a root"),
         span("a call", 1.002, 90, parent="a root")]
    )  # fmt: skip

    assert self_time(nodes[1]) == pytest.approx(0.008, abs=1e-6)
