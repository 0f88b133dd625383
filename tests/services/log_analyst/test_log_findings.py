"""The log analyst finds a planted fault, with the lines that show it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from incidents.cases import DataRoots
from incidents.logs import LogLine
from services.log_analyst.changes import changed
from services.log_analyst.peers import Peers
from services.log_analyst.templates import mine
from services.log_analyst.tools import ANALYZE_LOGS
from weft.core import Claim
from weft.core.errors import DataRefusedError

ALERT = 1_700_001_000
Line = dict[str, Any]
Serve = Callable[[int, float], list[Line]]


def line(at: float, service: str, message: str, *, order: int, level: str = "INFO") -> Line:
    return {
        "timestamp": at, "level": level, "service": service, "logger": service,
        "message": message, "trace_id": f"{order:032x}", "span_id": f"{len(service):016x}",
    }  # fmt: skip


def usual(order: int, at: float) -> list[Line]:
    """One order: the shop asks the store, which starts and ends a query."""
    return [
        line(at, "shop", f"order {order} received", order=order),
        line(at + 0.1, "store", f"query start id={order}", order=order),
        line(at + 0.2, "store", f"query end rows={order % 7}", order=order),
        line(at + 0.3, "shop", f"order {order} finished in {order % 9} ms", order=order),
    ]


def broken(order: int, at: float) -> list[Line]:
    """The store's query never ends, so the shop fails too."""
    shop, start, _, _ = usual(order, at)
    failed = line(at + 0.4, "shop", f"order {order} failed", order=order, level="ERROR")
    return [shop, start, failed]


def gives_up(order: int, at: float) -> list[Line]:
    shop, start, _, _ = usual(order, at)
    told = "TimeoutError: store gave no answer within 2 s"
    return [shop, start, line(at + 0.4, "shop", told, order=order, level="ERROR")]


def write(path: Path, orders: Iterator[tuple[int, float]], serve: Serve) -> None:
    lines = [each for order, at in orders for each in serve(order, at)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(each)}\n" for each in lines))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "baseline/logs/all.jsonl", ((n, ALERT - 900 + n) for n in range(40)), usual)
    facts = {"alert_time_unix": ALERT, "baseline": "baseline", "logs": ["all.jsonl"], "traces": []}
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "case.json").write_text(json.dumps(facts))
    return tmp_path


def happened(root: Path, serve: Serve) -> None:
    write(root / "case/logs/all.jsonl", ((n, ALERT + n) for n in range(40)), serve)


async def analyzed(root: Path, data: str = "case") -> dict[str, Any]:
    analyze_logs = ANALYZE_LOGS.tool(DataRoots([root]))
    found: dict[str, Any] = await to_thread.run_sync(analyze_logs, data)
    return found


def causes(found: dict[str, Any]) -> dict[str, float]:
    claims = [Claim.model_validate(claim) for claim in found["claims"]]
    return {claim.subject: claim.strength for claim in claims if claim.kind == "cause"}


async def test_a_start_without_its_end_is_found_where_it_happened(root: Path) -> None:
    happened(root, broken)

    found = await analyzed(root)

    first = found["findings"][0]
    assert (first["kind"], first["service"]) == ("broken_pair", "store")
    assert "query end" in first["text"]
    assert "no longer follows" in first["text"]
    assert first["evidence"]["baseline"] == {"followed": 40, "of": 40}
    assert first["evidence"]["incident"] == {"followed": 0, "of": 40}
    assert first["evidence"]["lines"][0] == {
        "file": "case/logs/all.jsonl",
        "line": 2,
        "time": "2023-11-14T22:30:00.100Z",
        "text": "query start id=0",
    }


async def test_the_first_break_in_a_trace_is_blamed_and_not_what_follows_from_it(
    root: Path,
) -> None:
    happened(root, broken)

    strengths = causes(await analyzed(root))

    assert max(strengths, key=strengths.__getitem__) == "store"
    assert strengths["store"] > 0.8 > strengths["shop"]


async def test_a_caller_that_gives_up_on_a_service_speaks_against_that_service(
    root: Path,
) -> None:
    happened(root, gives_up)

    found = await analyzed(root)

    errors = [each for each in found["findings"] if each["kind"] == "new_error"]
    assert [each["service"] for each in errors] == ["store"]
    assert "gave no answer" in errors[0]["evidence"]["lines"][0]["text"]


async def test_a_changed_flag_is_found_with_its_moment(root: Path) -> None:
    def changing(order: int, at: float) -> list[Line]:
        told = line(at, "store", "feature flag changed flag=fast value=True", order=order)
        return [*usual(order, at), *([told] if order == 3 else [])]

    happened(root, changing)

    found = await analyzed(root)

    (changed,) = [each for each in found["findings"] if each["kind"] == "changed"]
    assert changed["service"] == "store"
    assert changed["evidence"]["lines"][0]["time"] == "2023-11-14T22:30:03.000Z"


async def test_a_burst_of_errors_is_found_with_its_interval(root: Path) -> None:
    happened(root, broken)

    found = await analyzed(root)

    (burst,) = [each for each in found["findings"] if each["kind"] == "error_burst"]
    assert burst["service"] == "shop"
    assert burst["evidence"]["incident"] == {"errors": 10}
    assert burst["evidence"]["window"] == {"start": ALERT, "end": ALERT + 10}


async def test_more_of_the_same_work_is_no_fault(root: Path) -> None:
    write(root / "case/logs/all.jsonl", ((n, ALERT + n / 10) for n in range(400)), usual)

    assert causes(await analyzed(root)) == {}


async def test_errors_that_end_are_no_fault(root: Path) -> None:
    write(root / "baseline/logs/all.jsonl", ((n, ALERT - 900 + n) for n in range(40)), broken)
    happened(root, usual)

    assert max(causes(await analyzed(root)).values(), default=0) < 0.4


async def test_bad_files_are_told_and_the_rest_is_analyzed(root: Path) -> None:
    happened(root, broken)
    facts = json.loads((root / "case/case.json").read_text())
    facts["logs"] += ["gone.jsonl", "empty.jsonl", "cut.csv.xz", "odd.csv", "labels.json"]
    (root / "case/case.json").write_text(json.dumps(facts))
    (root / "case/logs/empty.jsonl").write_text("")
    (root / "case/logs/cut.csv.xz").write_bytes(b"\xfd7zXZ\x00\x00")
    (root / "case/logs/odd.csv").write_text("a,b\n1,2\n")
    (root / "case/labels.json").write_text("{}")
    with (root / "case/logs/all.jsonl").open("a") as file:
        file.write("{broken\n")

    found = await analyzed(root)

    told = {each["file"].rsplit("/", 1)[-1]: each["problem"] for each in found["problems"]}
    assert told["gone.jsonl"] == "does not exist"
    assert told["empty.jsonl"] == "is empty"
    assert told["cut.csv.xz"].startswith("cannot be decompressed")
    assert told["odd.csv"].startswith("is in no format that is read; nearest is")
    assert told["labels.json"].startswith("refused")
    assert told["all.jsonl"] == "1 malformed rows were skipped"
    assert found["findings"][0]["service"] == "store"


async def test_without_logs_there_is_no_finding_but_a_problem(root: Path) -> None:
    found = await analyzed(root)

    assert found["findings"] == []
    assert {"file": "case", "problem": "has no logs of the incident"} in found["problems"]


async def test_a_refused_directory_is_an_error(root: Path) -> None:
    with pytest.raises(DataRefusedError):
        await analyzed(root / "case", "../baseline")


async def test_the_same_logs_give_the_same_answer(root: Path) -> None:
    happened(root, broken)

    assert await analyzed(root) == await analyzed(root)


def test_lines_that_differ_in_values_share_a_template() -> None:
    def said(message: str, *, logger: str = "x", level: str = "INFO") -> LogLine:
        return LogLine(1.0, "store", level, logger, message, "", "", "f", 1)

    first, second, other, louder = mine(
        [
            said("took 12 ms for 6f1c2a90-1f4e-4c3b-9d70-aa0b1c2d3e4f from 10.0.0.1:80"),
            said("took 7.5 ms for 00000000-1f4e-4c3b-9d70-aa0b1c2d3e4f from 10.0.0.2:80"),
            said("gave up"),
            said("gave up", level="ERROR"),
        ]
    )

    assert first == second
    assert len({first, other, louder}) == 3


def test_a_logger_that_names_its_line_tells_statements_apart() -> None:
    def said(message: str, logger: str) -> LogLine:
        return LogLine(1.0, "store", "INFO", logger, message, "", "", "f", 1)

    long, short, other = mine(
        [said("got a b c d e f", "Store#12"), said("got none", "Store#12"), said("got", "Store#15")]
    )

    assert long == short
    assert long != other


@pytest.mark.parametrize(
    ("message", "tells"),
    [
        ("feature flag turned on", True),
        ("Enabled the new setting", True),
        ("deploy deployed", True),
        ("deploy", False),
        ("config was read\nenabled it", False),
        (f"{'a' * 5000} config changed", False),
    ],
)
def test_a_change_is_a_subject_and_a_verb_in_one_line(message: str, *, tells: bool) -> None:
    line = LogLine(1.0, "store", "INFO", "", message, "", "", "f", 1)

    assert bool(changed([], list(zip([line], mine([line]), strict=True)))) is tells


@pytest.mark.parametrize(
    ("message", "blamed"),
    [
        ("cart-db refused", "cart-db"),
        ("cart-db2 refused", "store"),
        ("cart.eu refused", "cart.eu"),
        ("store: cart refused", "cart"),
        ("store refused", "store"),
        ("cart is slow", "store"),
    ],
)
def test_the_longest_name_is_blamed_where_the_caller_gave_up(message: str, blamed: str) -> None:
    line = LogLine(1.0, "store", "ERROR", "", message, "", "", "f", 1)
    peers = Peers(["store", "cart", "cart-db", "cart.eu"])

    assert peers.blamed(mine([line])[0], line) == blamed
