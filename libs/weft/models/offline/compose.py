"""The answer: fixed sentences, and quotations of what named tools said. Nothing is computed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from weft.core import JsonObject, JsonValue, dumps
from weft.language.lexicon import SEVERITIES
from weft.models.offline.turns import ToolReply

LABEL = "No language model was used: rules chose the tools, and this answer quotes their results."
NOT_ENGLISH = (
    "The request does not look English, so only names, ids and numbers in it were matched."
)
NOT_WHOLLY_READ = (
    "Only the first {read} of the request's {whole} characters were searched for what it asks."
)
NOT_VALIDATED = "not validated: rules cannot judge, and no language model was used."
ABSTAINS = "This step needs a language model; the rules abstain."

MAX_FINDINGS = 20
"""Of one tool; the answer says when there are more."""

_STATEMENTS = ("statement", "text", "message", "title", "summary", "description", "name")
_RANKS = ("severity", "score", "confidence", "strength")
_SAID = ("summary", "findings", "claims", "passages", "problems", "kind", "version")


@dataclass(frozen=True, slots=True)
class Unbound:
    """A tool that fits but was not called."""

    tool: str
    missing: tuple[str, ...]


def compose(
    outcomes: Sequence[ToolReply], unbound: Sequence[Unbound] = (), *, notes: Iterable[str] = ()
) -> str:
    """Return findings by tool, then problems, then failed tools, then missing arguments."""
    blocks = [LABEL, *notes]
    worked = [outcome for outcome in outcomes if outcome.error is None]
    findings = [block for outcome in worked if (block := _findings(outcome))]
    blocks += _section("Findings", findings)
    blocks += _section("Problems reported by tools", list(_problems(worked)))
    failed = [f"- {o.tool}: {_line(o.error)}" for o in outcomes if o.error is not None]
    blocks += _section("Tools that failed", failed)
    blocks += _section("Tools that were not called", [_unbound(tool) for tool in unbound])
    return "\n\n".join(blocks)


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["\n".join([f"{title}:", *lines])] if lines else []


def _findings(outcome: ToolReply) -> str:
    value = outcome.value
    if not isinstance(value, dict):
        return f"- {outcome.tool}: {_line(_unlabelled(_shown(value), outcome.tool))}"
    lines = [f"- {outcome.tool}:"]
    summary = value.get("summary")
    if isinstance(summary, str) and summary:
        lines[0] += f" {_line(summary)}"
    passages = [passage for item in _items(value.get("passages")) if (passage := _passage(item))]
    if passages:
        return "\n\n".join([*lines, *passages[:MAX_FINDINGS]])
    listed = _items(value.get("findings")) or _items(value.get("claims"))
    ranked = sorted(listed, key=_rank, reverse=True)
    lines += [f"  - {_statement(item)}" for item in ranked[:MAX_FINDINGS]]
    if len(ranked) > MAX_FINDINGS:
        lines.append("  - The tool listed more findings than are shown here.")
    rest = {name: member for name, member in value.items() if name not in _SAID}
    if len(lines) == 1 and not summary:
        lines[0] += f" {_line(_shown(rest))}" if rest else " It found nothing."
    return "\n".join(lines)


def _passage(item: JsonValue) -> str:
    """Return a text as it stands, below the place it was taken from."""
    if not isinstance(item, dict) or not isinstance(item.get("text"), str):
        return ""
    quoted = "\n".join(f"    {row}".rstrip() for row in str(item["text"]).splitlines())
    return f"  {_line(item['source'])}:\n{quoted}" if item.get("source") else quoted


def _unlabelled(text: str, tool: str) -> str:
    """Return what rules elsewhere composed without the label: it is said once, of the whole."""
    rest = text.removeprefix(LABEL)
    if rest == text:
        return text
    return rest.strip().removeprefix("Findings:").strip().removeprefix(f"- {tool}: ")


def _problems(worked: Iterable[ToolReply]) -> Iterator[str]:
    for outcome in worked:
        value = outcome.value
        for problem in _items(value.get("problems")) if isinstance(value, dict) else ():
            yield f"- {outcome.tool}: {_statement(problem)}"


def _unbound(tool: Unbound) -> str:
    names = ", ".join(f"`{name}`" for name in tool.missing)
    return f"- {tool.tool}: nothing in the request or its context gives a value for {names}."


def _items(listed: JsonValue) -> list[JsonValue]:
    if isinstance(listed, list):
        return listed
    return [] if listed in (None, "", {}) else [listed]


def _rank(item: JsonValue) -> tuple[float, ...]:
    """Return what orders findings; a missing measure counts least, ties keep their order."""
    if not isinstance(item, dict):
        return tuple(-1.0 for _ in _RANKS)
    return tuple(_measure(item.get(name)) for name in _RANKS)


def _measure(value: JsonValue) -> float:
    if isinstance(value, str):
        return SEVERITIES.get(value.lower(), -1.0)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return -1.0


def _statement(item: JsonValue) -> str:
    if not isinstance(item, dict):
        return _line(_shown(item))
    if isinstance(item.get("problem"), str):
        return _line(f"{item['file']}: {item['problem']}" if item.get("file") else item["problem"])
    said = next((item[name] for name in _STATEMENTS if isinstance(item.get(name), str)), None)
    if said is None:
        return _line(_shown(item))
    marks = [f"{name} {_line(_shown(item[name]))}" for name in _RANKS if _is_plain(item, name)]
    service = item.get("service")
    if isinstance(service, str) and service and service not in str(said):
        said = f"{service}: {said}"
    return f"{_line(said)} ({', '.join(marks)})" if marks else _line(said)


def _is_plain(item: JsonObject, name: str) -> bool:
    return isinstance(item.get(name), str | int | float)


def _shown(value: JsonValue) -> str:
    return value if isinstance(value, str) else dumps(value).decode()


def _line(text: JsonValue) -> str:
    """Return `text` on one line, so that what a tool says cannot pose as our own lines."""
    return " ".join(str(text).split())
