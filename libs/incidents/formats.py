"""Formats that files come in, and how the beginning of a file tells which one it is."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeVar

if TYPE_CHECKING:
    from incidents.files import SourceFile

Kind = Literal["logs", "traces", "metrics"]
KINDS: tuple[Kind, ...] = ("logs", "traces", "metrics")
Row_co = TypeVar("Row_co", covariant=True)
_DEEPEST = 16
_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*+["\n]?|[{}\[\]:]')


class Sample:
    """The beginning of a file: its name without the ending of its packing, and its text."""

    def __init__(self, name: str, text: str, *, whole: bool = True) -> None:
        self.name = name
        self.text = text
        self.whole = whole
        """Whether the text is the whole file."""

    @cached_property
    def lines(self) -> list[str]:
        """The lines that are not blank, the last one only if it is whole."""
        rows = self.text.split("\n")
        if not self.whole and len(rows) > 1:
            rows.pop()
        return [row.rstrip("\r") for row in rows if row.strip()]

    @cached_property
    def header(self) -> list[str]:
        """The cells of the first line, read as CSV."""
        try:
            return next(csv.reader(self.lines[:1]), [])
        except csv.Error:
            return []

    @cached_property
    def is_json(self) -> bool:
        """Whether it begins as a JSON object or array does."""
        return self.text.lstrip()[:1] in ("{", "[") and bool(self.keys)

    @cached_property
    def keys(self) -> frozenset[str]:
        """The dotted paths of the JSON objects' keys in it; the items of an array are a `*`."""
        return frozenset(_paths(self.text))


class Fit(NamedTuple):
    """How well a sample fits a format."""

    score: float
    """1: certainly; 0: not at all."""
    lacks: str = ""
    """What did not fit; a file that lacks something is not read, but named with it."""


@dataclass(frozen=True, slots=True)
class Format(Generic[Row_co]):
    """A layout of files: what it is called, how it is recognised, how its rows are read."""

    name: str
    kind: Kind
    recognises: Callable[[Sample], Fit]
    read: "Callable[[SourceFile], Iterator[Row_co]]"


Found = TypeVar("Found", bound=Format[object])


def format_of(sample: Sample, formats: Iterable[Found]) -> Found | None:
    """Return the format that fits best, the first of several; None if none does."""
    fitting = [(form, fit) for form, fit in _fits(sample, formats) if not fit.lacks]
    return max(fitting, key=lambda pair: pair[1].score)[0] if fitting else None


def what_lacks(sample: Sample, formats: Iterable[Format[object]]) -> str:
    """Say of a sample that fits no format which one is nearest, and what did not fit."""
    near = [(form, fit) for form, fit in _fits(sample, formats) if fit.lacks]
    if not near:
        return "is in no format that is read"
    form, fit = max(near, key=lambda pair: pair[1].score)
    return f"is in no format that is read; nearest is {form.name}: {fit.lacks}"


def fits_of(sample: Sample, formats: Iterable[Found]) -> list[tuple[Found, Fit]]:
    """Return how well a sample fits each format."""
    return [(form, _fit(sample, form)) for form in formats]


def _fit(sample: Sample, form: Format[object]) -> Fit:
    try:
        return form.recognises(sample)
    except Exception:  # noqa: BLE001 - a file may hold anything; what it upsets does not know it
        return Fit(0.0)


def _fits(sample: Sample, formats: Iterable[Found]) -> list[tuple[Found, Fit]]:
    return [(form, fit) for form, fit in fits_of(sample, formats) if fit.score > 0]


def fits_columns(sample: Sample, wanted: Sequence[str]) -> Fit:
    """Tell how well a table's header fits: all of `wanted` have to be there."""
    missing = [name for name in wanted if name not in sample.header]
    if not missing:
        return Fit(1.0)
    share = 1 - len(missing) / len(wanted)
    return Fit(0.9 * share, f"it has no column {', '.join(missing)}")


def fits_keys(sample: Sample, wanted: Sequence[str]) -> Fit:
    """Tell how well a JSON sample fits: all dotted paths of `wanted` have to be there."""
    missing = [name for name in wanted if name not in sample.keys]
    if not missing:
        return Fit(1.0)
    share = 1 - len(missing) / len(wanted)
    return Fit(0.9 * share, f"it has no {', '.join(missing)}")


def _paths(text: str) -> Iterator[str]:
    """Yield the paths of the keys, as far as the text goes."""
    inside: list[tuple[str, bool]] = []
    path, word = "", ""
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in ("{", "["):
            if len(inside) >= _DEEPEST:
                return
            here = inside[-1][0] if inside and inside[-1][1] else path
            inside.append((_below(here, "*") if mark == "[" else here, mark == "["))
        elif mark in ("}", "]"):
            del inside[-1:]
            path = path if inside else ""
        elif mark != ":":
            word = mark[1:-1]
        elif inside and not inside[-1][1]:
            path = _below(inside[-1][0], word)
            yield path


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
