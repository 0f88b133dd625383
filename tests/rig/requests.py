"""Measures the rules on third-party requests: their frames against labels, and what becomes of each.

    nice python -m tests.rig.requests --data DIR

DIR holds the sets as JSON lines. The label of a request reaches the scorer only. Beside the rules stand
the most frequent label and a plain learner, which is trained on the labels (`requests_floor.py`). Where
skills are offered, both are shown the same requests for them: the learner to learn from, the rules as
the examples on a card; of an unseen skill both are shown none, and the card says its name. Every request is also routed by a mesh of the four analysts, with rules and with a model: it becomes a
plan, or a refusal that says what to do next.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from router_service.routes import Chosen, Routes
from services.code_analyst.main import CARD as CODE
from services.log_analyst.main import CARD as LOGS
from services.metrics_analyst.main import CARD as METRICS
from services.trace_analyst.main import CARD as TRACES
from tests.rig.requests_floor import folds, learned, majority
from tests.router_service.house import ANA, house
from weft.catalog import Capability
from weft.core.errors import WeftError
from weft.plan import Call
from weft.routing import CapabilityIndex, Extraction, Situation, extract
from weft.runs import RoutedRequest

SETS = ("clinc150", "marble", "metatool-awareness", "metatool-multi", "metatool-select",
        "openrca", "taskbench", "workbench")  # fmt: skip
_STRUCTURES = {"low": "single", "medium": "dag", "high": "chain"}
"""Which complexity stands for which structure: by how many tools a request of each needs."""
_BELOW = 0.05
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that labels say of the requests of a set, and how the rules say it."""

    name: str
    source: str
    label: Callable[[Row], str]
    read: Callable[[Extraction], str]
    index: Callable[[Sequence[Row], Sequence[Row]], CapabilityIndex] = lambda *_: CapabilityIndex()
    """Who is there, by all requests and by those that are shown: of some sets, skills for them."""
    group: Callable[[Row], str] | None = None
    """Whose requests are shown together or not at all."""


def _writes(row: Row) -> str:
    """A call of anything but the analytics of the set changes something."""
    calls = str(row["answer"]).replace("'analytics.", "")
    return "write" if ".func(" in calls and not _only_plots(str(row["answer"])) else "none"


def _only_plots(calls: str) -> bool:
    return all(part.strip("'[ ").startswith("analytics.") for part in calls.split("', '"))


def _names(rows: Sequence[Row], _: Sequence[Row]) -> CapabilityIndex:
    """Return an agent with one skill for each intent, of which nothing but the name is told."""
    return _desk(rows, ())


def _desk(rows: Sequence[Row], shown: Sequence[Row]) -> CapabilityIndex:
    """Return the same agent with a card that shows requests for each skill, as cards do."""
    examples: dict[str, list[str]] = {}
    for row in shown:
        examples.setdefault(str(row["intent"]), []).append(str(row["text"]))
    names = sorted({str(row["intent"]) for row in rows} - {"oos"})
    return CapabilityIndex(
        Capability(
            id=name,
            description=name.replace("_", " "),
            examples=tuple(examples.get(name, ())),
            providers=("desk",),
        )
        for name in names
    )


def _is_lacking(made: Extraction) -> str:
    """Who asks what can be asked is answered; out of scope is what nobody there serves."""
    return str(made.guidance is not None and made.guidance.lacking)


QUESTIONS = (
    Question("structure", "taskbench", lambda row: str(row["structure"]),
             lambda made: _STRUCTURES[made.frame.complexity.value]),
    Question("tool needed", "metatool-awareness", lambda row: str(row["needs_tool"]),
             lambda made: str(made.frame.requires_tools)),
    Question("out of scope", "clinc150", lambda row: str(row["intent"] == "oos"),
             _is_lacking, _desk),
    Question("  unseen skill", "clinc150", lambda row: str(row["intent"] == "oos"),
             _is_lacking, _names,
             lambda row: str(row["intent"] if row["intent"] != "oos" else row["id"])),
    Question("write", "workbench", _writes,
             lambda made: "none" if made.frame.risk.value == "low" else "write"),
)  # fmt: skip


def rows_of(data: Path, name: str) -> list[Row]:
    with (data / f"{name}.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def score(question: Question, rows: Sequence[Row]) -> bool:
    """Print one line of the table; return whether the rules come near enough to the learner."""
    texts, labels = [str(row["text"]) for row in rows], [question.label(row) for row in rows]
    groups = [] if question.group is None else [question.group(row) for row in rows]
    read = readings(question, rows, labels, groups)
    rules, floor = _right(read, labels), _right(learned(texts, labels, groups=groups), labels)
    near = rules >= floor - _BELOW
    print(
        f"{question.name:14} {len(rows):5} {majority(labels):9.3f} {floor:8.3f} {rules:7.3f} "
        f"{_balanced(read, labels):9.3f}  {'yes' if near else 'NO'}"
    )
    return near


def readings(
    question: Question, rows: Sequence[Row], labels: Sequence[str], groups: Sequence[str] = ()
) -> list[str]:
    """Return what the rules read of each request, among skills with the examples they are shown."""
    read = [""] * len(rows)
    for shown, held in folds(labels, groups=groups):
        index = question.index(rows, [rows[int(at)] for at in shown])
        for at in map(int, held):
            made = extract(str(rows[at]["text"]), index, situation=Situation(model=False))
            read[at] = question.read(made)
    return read


def _right(guesses: Sequence[str], labels: Sequence[str]) -> float:
    return sum(map(str.__eq__, guesses, labels)) / len(labels)


def _balanced(guesses: Sequence[str], labels: Sequence[str]) -> float:
    """Return the share that is right of each label, in the mean over labels."""
    totals = Counter(labels)
    right = Counter(label for guess, label in zip(guesses, labels, strict=True) if guess == label)
    return sum(right[label] / totals[label] for label in totals) / len(totals)


async def routed(
    sets: Mapping[str, Sequence[Row]], situation: Situation
) -> Counter[tuple[str, str]]:
    """Return how many requests of each set became what."""
    ends: Counter[tuple[str, str]] = Counter()
    async with house() as mesh:
        for card in (CODE, LOGS, METRICS, TRACES):
            await mesh.joins(card.name, *card.skills)
        offers = await mesh.peers.refresh()
        routes = Routes(situation=situation)
        for name, rows in sets.items():
            for row in rows:
                request = RoutedRequest(input=str(row["text"]))
                ends[name, _end(lambda: routes.choose(request, ANA, offers))] += 1  # noqa: B023 - called at once
    return ends


def _end(choose: Callable[[], Chosen]) -> str:
    """Return what a request came to: a plan, a refusal, or a fault of ours."""
    try:
        chosen = choose()
    except Exception as error:  # noqa: BLE001 - a fault of ours is what is looked for
        return f"FAULT {type(error).__name__}"
    if isinstance(chosen.error, WeftError):
        return f"refused: {chosen.error.code}" if str(chosen.error) else "SILENT"
    if chosen.plan is None:
        return "SILENT"
    calls = [node for _, node in chosen.plan.nodes() if isinstance(node, Call)]
    if not calls or any(call.arguments == {"text": ""} for call in calls):
        return "SILENT"
    return f"plan: {chosen.protocol}"


def _listed(ends: Counter[tuple[str, str]], sets: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    for name in sets:
        mine = sorted(
            ((count, end) for (of, end), count in ends.items() if of == name), reverse=True
        )
        yield f"  {name:20} " + ", ".join(f"{end} {count}" for count, end in mine)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a directory of JSON lines")
    data = parser.parse_args().data
    missing = [name for name in SETS if not (data / f"{name}.jsonl").is_file()]
    if missing:
        parser.error(f"{data} has no {missing[0]}.jsonl; it is to hold {', '.join(SETS)}")
    sets = {name: rows_of(data, name) for name in SETS}
    print("question           n  majority  learner   rules  balanced  within .05 of the learner")
    near = [score(question, sets[question.source]) for question in QUESTIONS]
    faults = 0
    for words, rules in (("rules", True), ("a model", False)):
        ends = asyncio.run(routed(sets, Situation(data=True, model=not rules)))
        faults += sum(count for (_, end), count in ends.items() if end.isupper() or "FAULT" in end)
        print(f"\nrouted, with {words} and data at hand: {sum(ends.values())} requests")
        print("\n".join(_listed(ends, sets)))
    print(f"\nfaults and silent ends: {faults}")
    return 0 if all(near) and not faults else 1


if __name__ == "__main__":
    sys.exit(main())
