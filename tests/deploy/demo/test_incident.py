"""The committed recording is well formed, tells the truth, and keeps its secret."""

import csv
import getpass
import json
import re
import socket
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from deploy.demo.fleet import PEERS
from deploy.demo.record import OUT
from deploy.demo.recording import BASELINE, CASE, SOURCE

WINDOWS = (BASELINE, CASE)
TELLING = re.compile(
    r"\b(faults?|injected|injection|root.?cause|ground.?truth|chaos|culprit|anomal\w+|labels\.json)\b",
    re.IGNORECASE,
)
MACHINE = re.compile(r"/(home|root|tmp|usr|Users|private|var)/|127\.0\.0\.1|localhost")
P95 = "http_server_request_duration_seconds_p95"

Span = dict[str, Any]


def _json(*path: str) -> Any:  # noqa: ANN401 - each test looks at what it expects
    return json.loads(OUT.joinpath(*path).read_text(encoding="utf-8"))


def _labels() -> dict[str, Any]:
    found: dict[str, Any] = _json("labels.json")[CASE]
    return found


def _spans(window: str) -> Iterator[tuple[str, Span]]:
    for told in _json(window, "traces", "traces.json")["resourceSpans"]:
        (named,) = told["resource"]["attributes"]
        for scope in told["scopeSpans"]:
            for span in scope["spans"]:
                yield named["value"]["stringValue"], span


def _lines(window: str) -> Iterator[dict[str, str]]:
    for path in sorted((OUT / window / "logs").iterdir()):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def _rows(window: str) -> list[dict[str, str]]:
    with (OUT / window / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _visible() -> list[Path]:
    return [path for window in WINDOWS for path in (OUT / window).rglob("*") if path.is_file()]


def test_the_case_names_files_that_exist() -> None:
    case = _json(CASE, "case.json")

    assert set(case) == {
        *("case", "system", "alert_time_unix", "alert_time_utc", "baseline"),
        *("logs", "traces", "metrics", "source"),
    }
    assert sorted(case["logs"]) == sorted(f"{service}.jsonl" for service in PEERS)
    for window in WINDOWS:
        assert all((OUT / window / "logs" / name).is_file() for name in case["logs"])
        assert all((OUT / window / "traces" / name).is_file() for name in case["traces"])
        assert all((OUT / window / name).is_file() for name in case["metrics"])
    assert (OUT / CASE / case["source"]).is_dir()


def test_the_recorded_source_is_the_shop() -> None:
    copy = OUT / CASE / "source"

    recorded = {path.relative_to(copy): path.read_text("utf-8") for path in copy.rglob("*.py")}
    original = {path.relative_to(SOURCE): path.read_text("utf-8") for path in SOURCE.rglob("*.py")}

    assert recorded == original, "record the incident anew: python -m deploy.demo.record"


@pytest.mark.parametrize("window", WINDOWS)
def test_every_log_line_parses_and_joins_its_trace(window: str) -> None:
    lines = list(_lines(window))
    fields = {"timestamp", "level", "service", "logger", "message"}

    assert {line["service"] for line in lines} == set(PEERS)
    assert all(fields <= set(line) for line in lines)
    known = {span["spanId"] for _, span in _spans(window)}
    assert {line["span_id"] for line in lines if "span_id" in line} <= known
    assert sum("span_id" not in line for line in lines) == (1 if window == CASE else 0)


@pytest.mark.parametrize("window", WINDOWS)
def test_every_span_has_a_parent_in_its_trace_or_is_the_root(window: str) -> None:
    traces: dict[str, dict[str, Span]] = defaultdict(dict)
    for _, span in _spans(window):
        traces[span["traceId"]][span["spanId"]] = span

    for spans in traces.values():
        parents = [span["parentSpanId"] for span in spans.values()]
        assert parents.count("") == 1
        assert {parent for parent in parents if parent} <= set(spans)
    assert all(
        int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
        for spans in traces.values()
        for span in spans.values()
    )


def test_a_checkout_is_one_trace_through_all_four_services() -> None:
    services: dict[str, set[str]] = defaultdict(set)
    roots: dict[str, str] = {}
    for service, span in _spans(BASELINE):
        services[span["traceId"]].add(service)
        if not span["parentSpanId"]:
            roots[span["traceId"]] = span["name"]

    checkouts = [trace for trace, name in roots.items() if name == "POST /checkout"]

    assert len(checkouts) > 50
    assert all(services[trace] == set(PEERS) for trace in checkouts)


def test_the_windows_do_not_overlap_and_the_alert_follows_the_switch() -> None:
    windows, case = _labels()["windows"], _json(CASE, "case.json")
    switched = _labels()["inject_time_unix"]

    assert windows[BASELINE]["end_unix"] < windows[CASE]["begin_unix"]
    assert windows[CASE]["begin_unix"] < switched < case["alert_time_unix"]
    assert case["alert_time_unix"] < windows[CASE]["end_unix"]
    for window in WINDOWS:
        begin, end = windows[window]["begin_unix"], windows[window]["end_unix"]
        starts = [int(span["startTimeUnixNano"]) / 1e9 for _, span in _spans(window)]
        assert begin <= min(starts) <= max(starts) <= end
        assert all(begin <= float(row["timestamp"]) <= end for row in _rows(window))


def test_payment_and_its_callers_got_slower_and_inventory_did_not() -> None:
    labels, switched = _labels(), _labels()["inject_time_unix"]

    def slow(window: str, service: str) -> float:
        return median(
            float(row["value"])
            for row in _rows(window)
            if (row["service"], row["metric"]) == (service, P95)
            and (window == BASELINE or float(row["timestamp"]) > switched)
        )

    grown = {service: slow(CASE, service) / slow(BASELINE, service) for service in PEERS}
    assert all(grown[service] > 20 for service in ("payment", *labels["slowed_with_it"]))
    assert all(grown[service] < 2 for service in labels["not_slowed"])


def test_only_payment_blocked_its_event_loop() -> None:
    lag = defaultdict(list)
    for row in _rows(CASE):
        if row["metric"] == "event_loop_lag_seconds":
            lag[row["service"]].append(float(row["value"]))

    assert median(lag.pop("payment")) > 0.3
    assert all(median(values) < 0.05 for values in lag.values())


def test_the_labels_point_at_code_that_is_there() -> None:
    source = (OUT / CASE / "source" / "payment.py").read_text(encoding="utf-8").splitlines()
    pointed = {place["line"]: source[place["line"] - 1] for place in _labels()["code"]}

    signs = ("urlopen(", "except Exception", "time.sleep(", "self._fraud.score(")
    assert len(pointed) == len(signs)
    assert all(any(sign in line for line in pointed.values()) for sign in signs)


def test_nothing_an_investigator_sees_gives_the_answer_away() -> None:
    telling = {
        path.relative_to(OUT).as_posix(): found.group()
        for path in _visible()
        if (found := TELLING.search(path.read_text(encoding="utf-8")))
    }

    assert telling == {}
    assert not any(TELLING.search(path.name) for path in _visible())


def test_no_machine_shows_through() -> None:
    recorded = [path for path in _visible() if "source" not in path.parts]
    own = {socket.gethostname(), getpass.getuser()} - {"localhost", "root", "runner"}

    for path in recorded:
        text = path.read_text(encoding="utf-8")
        assert MACHINE.search(text) is None, path
        assert not any(re.search(rf"\b{re.escape(name)}\b", text) for name in own), path


def test_the_recording_is_small() -> None:
    assert sum(path.stat().st_size for path in OUT.rglob("*") if path.is_file()) <= 3_000_000
