"""What reads texts from outside takes time in proportion to them, whatever they consist of."""

import gc
import random
from collections.abc import Callable, Mapping
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import thread_time

import pytest

from incidents.files import DataFile
from incidents.logs import LogLine, read_logs
from incidents.names import service_of
from incidents.times import moment
from services.log_analyst.changes import changed
from services.log_analyst.peers import Peers
from services.log_analyst.templates import mine
from weft.cli.answer import Answer, lines
from weft.core import JsonObject, Message, Result
from weft.core.storable import storable
from weft.events import hidden_value, is_secret, redact
from weft.language import frame, risk_floor
from weft.language.cues import Reading
from weft.language.entities import entities
from weft.language.text import name_words, quotes, scan, stems
from weft.models.base import ModelRequest
from weft.models.offline.bind import Origins, bind
from weft.models.offline.compose import compose
from weft.models.offline.match import has_effects, is_about, is_named
from weft.models.offline.turns import CurrentTurn, ToolReply, shortened
from weft.plan.judging import verdict_of
from weft.plan.placeholders import fenced, names, render
from weft.report.grounding import Branch, claims_of
from weft.routing import CapabilityIndex, extract
from weft.routing.capabilities import by_overlap
from weft.tools import tool
from weft.tools.docstring import parse_docstring

pytestmark = pytest.mark.no_cover  # what is measured is the time

SHORT = 2_000
TIMES = 8
MOST_GROWTH = 10.0
"""Of the time, where the text grows by `TIMES`."""
BEYOND_DOUBT = 40.0
"""No second try is needed to see that this is no proportion."""
LEAST_TIME = 0.002
"""Shorter times are taken for this long: they hurt nobody, and say more of the machine."""
TRIES = 8

UNITS = (
    "a", "b", "-", "_", ".", "/", "=", ":", "@", " ", "\t", "\n", "0", "é", "\u2019", "*", "#", "\\",
    '"', "'", "`", "“", "(", ")", "[", "]", "{", "}", "<", "$", "|", "a-", "a.", "a_", "a/", "a:",
    "a=", "a@", "1.", "1-", "- ", ". ", "\n\n", "{a", "{a.", '"a', "'a ", "[.", "(a", "x://y",
    "x://y:", "http://a", "eyJ", "eyJ-", "eyJa.", "sk-", "token", "token=", "token =", '"token": ',
    "bearer ", "wft_", "fix ", "diagnose ", "config ", "deploy ", "enable ", "not fix ", "write ",
    "find code ", "must ", "when restart ", "delete production ", "last 5 ", "last 5m ", "of 1 ",
    "2026-01-02T03:04:05 ", "2026-01-02 ERROR a.", "trace_id=", "trace_id=0123abcd ", "span_id:",
    "ERROR ", "timeout a-b ", "QUJDQUJD", "0123456789abcdef", "deadbeef-", "Aa ", "Aa Aa1 ",
    "```", "``` result of a (data, not instructions)\n", "```\n", '"findings": [', '"summary": ',
    "Args:\n", "    a (int): b\n", "    a (((", ":param a: ", ":param a", "---\n", "x : int\n",
    "ABSTAIN: ", "* *", "a, ", "10:20 ", "a@b.", "../", "a/b.py", "word word. ",
)  # fmt: skip


def mixtures(count: int) -> list[str]:
    """Return units made at random, the same ones each time."""
    dice = random.Random(20)  # noqa: S311 - nothing secret is made of it
    return ["".join(dice.choices(UNITS, k=dice.randint(2, 4))) for _ in range(count)]


def of_length(unit: str, length: int) -> str:
    """Return a text of `unit`, over and over, that ends in something else."""
    return "".join(islice(cycle(unit), length)) + "\x01!"


@tool(labels={"write"})
def restart_service(service: str, replicas: int, mode: str, note: str, wait_seconds: int) -> str:
    """Restart a service.

    Args:
        service: Which one.
        replicas: How many of them.
        mode: How.
        note: Why.
        wait_seconds: Between two of them.
    """
    return f"{service} {replicas} {mode} {note} {wait_seconds}"


def planned(text: str) -> None:
    reading = Reading.of(text)
    named = entities(reading)
    spec = restart_service.spec
    has_effects(spec)
    is_about(spec, reading, reading.goals)
    is_named(spec, reading)
    bind(spec, Origins(text, named, named))


def turned(text: str) -> None:
    said = Message.assistant(text)
    CurrentTurn.of(ModelRequest(messages=(Message.user(text), said, Message.user(text))))


def log_line(text: str, *, level: str = "ERROR") -> LogLine:
    return LogLine(1.0, "shop", level, "", text, "", "", "a.log", 1)


def logged(text: str) -> None:
    row = text.replace("\n", " ")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "shop.log"
        path.write_text(f"2025-11-24T16:16:40 ERROR a.{row}\n{row}\n")
        read_logs([DataFile(path, path.name)])


def told(text: str) -> None:
    line = log_line(text)
    [template] = mine([line])
    changed([], [(line, template)])
    Peers(["shop", "cart-db", text]).blamed(template, line)


def concluded(text: str) -> None:
    claims_of([Branch("a", "peer", Result(status="completed", text=text))])


def judged(text: str) -> None:
    verdict_of(Result(status="completed", text=text), ("approve", "reject"))
    verdict_of(Result(status="completed", text=text, generated_by="rules"), ("approve", "reject"))


def put_in(text: str) -> None:
    list(names(text))
    fenced("a", render(text, lambda name: name))


def shown(text: str) -> None:
    run: JsonObject = {"run_id": "r", "thread_id": "t", "status": "completed", "success": True}
    list(lines(Answer.of({**run, "output": {"text": text}})))


FUNCTIONS: Mapping[str, Callable[[str], object]] = {
    "redact": redact,
    "is_secret": is_secret,
    "hidden_value": lambda text: hidden_value({text: [text]}),
    "storable": storable,
    "scan": scan,
    "quotes": quotes,
    "stems": lambda text: stems(name_words(text)),
    "frame": frame,
    "risk_floor": risk_floor,
    "goals and actions": lambda text: (Reading.through(text).goals, Reading.through(text).effects),
    "entities": lambda text: entities(Reading.through(text)),
    "extract": lambda text: extract(f"a{text}", CapabilityIndex()),
    "by_overlap": lambda text: by_overlap((), text),
    "plan a call": planned,
    "read the turns": turned,
    "shortened": shortened,
    "compose": lambda text: compose([ToolReply("a", text), ToolReply("b", text, error=text)]),
    "claims": concluded,
    "verdict": judged,
    "placeholders": put_in,
    "docstring": lambda text: parse_docstring(f"Do.\n\nArgs:\n    a (x{text}): b.\n{text}"),
    "read a log": logged,
    "tell of a log line": told,
    "names and times": lambda text: (service_of(text), moment(text)),
    "answer": shown,
}


def seconds(function: Callable[[str], object], text: str) -> float:
    """Return what `function` costs this thread: waiting for others costs it nothing.

    Nor does the garbage of others, which a collection would look through meanwhile.
    """
    gc.collect(0)
    gc.disable()
    try:
        began = thread_time()
        function(text)
        return thread_time() - began
    finally:
        gc.enable()


def growth(function: Callable[[str], object], unit: str) -> float:
    """Return how much longer a text takes that is `TIMES` as long: the least of several tries."""
    short, long = of_length(unit, SHORT), of_length(unit, SHORT * TIMES)
    usual, found = seconds(function, short), seconds(function, long)
    for _ in range(TRIES):
        grown = found / max(usual, LEAST_TIME)
        if not MOST_GROWTH < grown < BEYOND_DOUBT:
            break
        usual, found = min(usual, seconds(function, short)), min(found, seconds(function, long))
    return found / max(usual, LEAST_TIME)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_eight_times_the_text_takes_at_most_ten_times_as_long(name: str) -> None:
    function = FUNCTIONS[name]
    function("warm")

    grown = ((unit, growth(function, unit)) for unit in (*UNITS, *mixtures(40)))

    assert next((each for each in grown if each[1] > MOST_GROWTH), None) is None
