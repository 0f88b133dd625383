"""Prometheus' text exposition and OpenMetrics, with the times that they may have.

A line is read by itself, so that a damaged one costs itself; what the lines of one series have in
common, its name and labels, is read once.
"""

import re
from collections.abc import Iterator

from incidents.files import SourceFile
from incidents.formats import Fit, Format, Sample
from incidents.metrics.points import Counting, Key, Point, number, selector
from incidents.times import moment

_LINE = re.compile(
    r'([^\s{#]*+(?:\{(?:[^"{}]++|"(?:[^"\\]|\\.)*+")*+\})?+)\s++(\S++)(?:\s++([-+\d.eE]++))?'
    r"(?:\s++#\s.*+|\s*+)"
)
_TYPE = re.compile(r"#\s*+TYPE\s++(\S++)\s++(\w++)\s*+")
_COMMENT = "#"
_COUNTING: dict[str, Counting] = {
    "counter": "counter", "gauge": "level", "info": "level", "stateset": "level",
    "gaugehistogram": "level",
}  # fmt: skip
_PARTS = ("_total", "_bucket", "_count", "_sum")
_ACCUMULATED = ("histogram", "summary")
_NAME = re.compile(r"[a-zA-Z_:][\w:.]*+")
_MOST_KEYS = 200_000
_FITTING = 0.9


def _recognises(sample: Sample) -> Fit:
    lines = [line for line in sample.lines if not line.startswith(_COMMENT)]
    typed = any(_TYPE.fullmatch(line) for line in sample.lines)
    fitting = sum(_fits(line) for line in lines)
    if typed and (fitting or not lines):
        return Fit(1)
    if lines and fitting >= _FITTING * len(lines) and any("{" in line for line in lines):
        return Fit(0.8)
    return Fit(0)


def _fits(line: str) -> bool:
    match = _LINE.fullmatch(line)
    if match is None or number(match[2]) is None:
        return False
    return match[1].startswith("{") or _NAME.match(match[1]) is not None


def _read(source: SourceFile) -> Iterator[Point]:
    types: dict[str, str] = {}
    keys: dict[str, Key] = {}
    damaged = Key("", {})
    for at, line in source.lines():
        if line.startswith(_COMMENT):
            if declared := _TYPE.fullmatch(line):
                types[declared[1].strip('"')] = declared[2].casefold()
            continue
        match = _LINE.fullmatch(line.strip())
        key = None
        if match is not None:
            key = keys.get(match[1])
            if key is None and len(keys) < _MOST_KEYS:
                key = keys[match[1]] = _key(match[1], types)
        if match is None or key is None or not key.name:
            yield Point(damaged, 0.0, None, at)
            continue
        time = moment(match[3]) if match[3] else None
        is_odd = match[3] is not None and time is None
        yield Point(key, time, None if is_odd else number(match[2]), at)


def _key(series: str, types: dict[str, str]) -> Key:
    name, labels = selector(series)
    return Key(name, labels, _counting(name, types))


def _counting(name: str, types: dict[str, str]) -> Counting:
    if name in types:
        return _COUNTING.get(types[name], "unsaid")
    for part in _PARTS:
        kind = types.get(name.removesuffix(part)) if name.endswith(part) else None
        if kind == "counter" or kind in _ACCUMULATED:
            return "counter"
    return "unsaid"


EXPOSITION = Format("Prometheus text, or OpenMetrics", "metrics", _recognises, _read)
