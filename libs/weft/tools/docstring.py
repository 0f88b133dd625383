"""What a docstring says of a function and of each parameter: Google, NumPy and Sphinx styles."""

import inspect
import re
from dataclasses import dataclass
from itertools import accumulate

_PARAMETERS = frozenset(
    {
        "Args", "Arguments", "Parameters", "Params", "Keyword Args", "Keyword Arguments",
        "Other Parameters",
    }
)  # fmt: skip
_SECTIONS = _PARAMETERS | {
    "Returns", "Return", "Yields", "Raises", "Example", "Examples", "Note", "Notes", "Warning",
    "Warnings", "See Also", "References", "Attributes", "Todo",
}  # fmt: skip
_NAME = re.compile(r"\*{0,2}(\w++)\s*+")
_CLOSED = re.compile(r"\)\s*+:")
_SPHINX = re.compile(r":(\w++)\s*+([^:]*+):\s*+(.*+)")
_UNDERLINE = 3
_SPHINX_PARAMETER = frozenset({"param", "parameter", "arg", "argument", "key", "keyword"})


@dataclass(frozen=True, slots=True)
class Documented:
    """A function's own text, and one for each parameter it describes."""

    description: str
    parameters: dict[str, str]


def parse_docstring(text: str | None) -> Documented:
    """Return what `text` says; a docstring in no known style is all description."""
    lines = inspect.cleandoc(text or "").splitlines()
    description: list[str] = []
    parameters: dict[str, str] = {}
    at = 0
    while at < len(lines):
        section, body_at = _section(lines, at)
        if section is not None:
            end = _section_end(lines, body_at)
            if section in _PARAMETERS:
                parameters |= _section_parameters(lines[body_at:end])
            at = end
        elif _SPHINX.match(lines[at]):
            at = _field(lines, at, parameters)
        else:
            description.append(lines[at])
            at += 1
    return Documented("\n".join(description).strip(), parameters)


def _section(lines: list[str], at: int) -> tuple[str | None, int]:
    """Return the name of the section whose heading stands at `at`, and where its body begins."""
    heading = lines[at].rstrip()
    name = heading.removesuffix(":")
    if name not in _SECTIONS:
        return None, at
    if _underlined(lines, at):
        return name, at + 2
    return (name, at + 1) if heading != name else (None, at)


def _underlined(lines: list[str], at: int) -> bool:
    if not 0 <= at < len(lines) - 1:
        return False
    line = lines[at + 1].rstrip()
    return len(line) >= _UNDERLINE and not line.strip("-")


def _section_end(lines: list[str], at: int) -> int:
    """Return where the next section, or text at the margin after an indented body, begins."""
    numpy = _underlined(lines, at - 2)
    for index in range(at, len(lines)):
        if _section(lines, index)[0] is not None:
            return index
        at_margin = bool(lines[index].strip()) and not lines[index][0].isspace()
        if at_margin and not numpy:
            return index
    return len(lines)


def _section_parameters(lines: list[str]) -> dict[str, str]:
    filled = [line for line in lines if line.strip()]
    if not filled:
        return {}
    margin = min(len(line) - len(line.lstrip()) for line in filled)
    read = _numpy if margin == 0 else _google
    described: list[tuple[list[str], list[str]]] = []
    for line in filled:
        description = read(line.strip()) if not line[margin].isspace() else None
        if description is not None:
            described.append(description)
        elif described:
            described[-1][1].append(line.strip())
    texts = ((names, " ".join(text).strip()) for names, text in described)
    return {name: text for names, text in texts for name in names}


def _google(line: str) -> tuple[list[str], list[str]] | None:
    """Return the parameter that `name (type): text` describes, and the text."""
    named = _NAME.match(line)
    if named is None:
        return None
    rest = _behind_type(line[named.end() :])
    return ([named[1]], [rest[1:].strip()]) if rest.startswith(":") else None


def _behind_type(text: str) -> str:
    """Return what follows the parentheses `text` begins with; they may hold others."""
    if not text.startswith("("):
        return text
    depths = accumulate((letter == "(") - (letter == ")") for letter in text)
    end = next((at for at, depth in enumerate(depths) if not depth), 0)
    rest = text[end + 1 :].lstrip() if end else ""
    if rest.startswith(":"):
        return rest
    # A parenthesis in quotes has no partner: then the type ends where a colon follows.
    closed = _CLOSED.search(text, end)
    return rest if closed is None else text[closed.end() - 1 :]


def _numpy(line: str) -> tuple[list[str], list[str]] | None:
    """Return the parameters that `name, other : type` heads; their text follows below."""
    names = [name.strip().removeprefix("*").removeprefix("*") for name in _names(line)]
    whole = all(name.replace("_", "a").isalnum() for name in names)
    return (names, []) if whole else None


def _names(line: str) -> list[str]:
    return line.partition(":")[0].split(",")


def _field(lines: list[str], at: int, parameters: dict[str, str]) -> int:
    """Read one Sphinx field and return the line behind it."""
    match = _SPHINX.match(lines[at])
    end = at + 1
    while end < len(lines) and lines[end].strip() and lines[end][0].isspace():
        end += 1
    if match and match[1] in _SPHINX_PARAMETER and match[2].split():
        text = [match[3], *(line.strip() for line in lines[at + 1 : end])]
        parameters[match[2].split()[-1].lstrip("*")] = " ".join(text).strip()
    return end
