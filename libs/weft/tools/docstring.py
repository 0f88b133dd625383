"""What a docstring says of a function and of each parameter: Google, NumPy and Sphinx styles."""

import inspect
import re
from dataclasses import dataclass

_SECTION = re.compile(
    r"(Args|Arguments|Parameters|Params|Keyword Args|Keyword Arguments|Other Parameters|Returns|"
    r"Return|Yields|Raises|Examples?|Notes?|Warnings?|See Also|References|Attributes|Todo):?\s*"
)
_PARAMETERS = frozenset(
    {
        "Args", "Arguments", "Parameters", "Params", "Keyword Args", "Keyword Arguments",
        "Other Parameters",
    }
)  # fmt: skip
_GOOGLE = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_NUMPY = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?")
_SPHINX = re.compile(r":(\w+)\s*([^:]*):\s*(.*)")
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
        elif _SPHINX.fullmatch(lines[at]):
            at = _field(lines, at, parameters)
        else:
            description.append(lines[at])
            at += 1
    return Documented("\n".join(description).strip(), parameters)


def _section(lines: list[str], at: int) -> tuple[str | None, int]:
    """Return the name of the section whose heading stands at `at`, and where its body begins."""
    found = _SECTION.fullmatch(lines[at])
    if found is None:
        return None, at
    if _underlined(lines, at):
        return found[1], at + 2
    return (found[1], at + 1) if lines[at].rstrip().endswith(":") else (None, at)


def _underlined(lines: list[str], at: int) -> bool:
    return 0 <= at < len(lines) - 1 and re.fullmatch(r"-{3,}\s*", lines[at + 1]) is not None


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
    head = _NUMPY if margin == 0 else _GOOGLE
    parameters: dict[str, list[str]] = {}
    names: list[str] = []
    for line in filled:
        found = head.fullmatch(line.strip()) if not line[margin].isspace() else None
        if found is None:
            for name in names:
                parameters[name].append(line.strip())
            continue
        names = [name.strip().lstrip("*") for name in found[1].split(",")]
        first = [] if head is _NUMPY else [found[2]]
        parameters |= {name: list(first) for name in names}
    return {name: " ".join(text).strip() for name, text in parameters.items()}


def _field(lines: list[str], at: int, parameters: dict[str, str]) -> int:
    """Read one Sphinx field and return the line behind it."""
    found = _SPHINX.fullmatch(lines[at])
    end = at + 1
    while end < len(lines) and lines[end].strip() and lines[end][0].isspace():
        end += 1
    if found and found[1] in _SPHINX_PARAMETER and found[2].split():
        text = [found[3], *(line.strip() for line in lines[at + 1 : end])]
        parameters[found[2].split()[-1].lstrip("*")] = " ".join(text).strip()
    return end
