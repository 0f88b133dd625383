"""Takes secrets out of what is told: by the form of a text, and by the name of a value.

Every text is read to its end, and in time proportional to its length: whoever sends a text can
send a long one.
"""

import re

from weft.core import JsonObject, JsonValue

REDACTED = "[redacted]"
_SECRET_NAME = re.compile(
    r"passw|\bpwd|token|secret|authorization|api[_-]?key|cookie|credential", re.IGNORECASE
)
_SCHEME = re.compile(r"(\b(?:bearer|basic)\s++)[\w.~+/=-]{8,}+", re.IGNORECASE)
_NAMED = re.compile(
    r"((?:api[_-]?key|token|secret|passw(?:or)?d|pwd|authorization|credential)[\w-]*+)"
    r"(?:([\"']?\s*+[=:]\s*+)(?!(?:bearer|basic)\b)[\"']?[^\s\"',;&}]++[\"']?)?",
    re.IGNORECASE,
)
"""Takes a name that no value follows too, so that it is looked at once only."""
_IN_URL = re.compile(r"((?<=\w)://[^/\s:@]*+:)[^/\s@]++(?=@)")
_KEY = re.compile(
    r"\b(?:(?:sk|pk|ghp|gho|xox[abp]|AKIA)[-_]?[A-Za-z0-9_-]{12,}+|wft_[0-9a-f]{16}_[\w-]++)"
)
_JWT = re.compile(r"\beyJ[\w-]++(\.[\w-]++\.[\w-]*+)?")
"""Takes a first part that no second follows too, for the same reason."""


_MARKS = (
    "bearer", "basic", "api", "token", "secret", "passw", "pwd", "authorization", "credential",
    "://", "sk", "pk", "ghp", "gho", "xox", "akia", "wft_", "eyj",
)  # fmt: skip
"""In lower case: of each form above, what stands in every text that it fits."""


def is_secret(name: str) -> bool:
    """Tell whether a value of this name is nobody's to read."""
    return _SECRET_NAME.search(name) is not None


def redact(text: str) -> str:
    """Return `text` with whatever looks like a credential replaced."""
    if text.isascii() and not any(map(text.lower().__contains__, _MARKS)):
        # Most texts: five patterns take thirty times as long to find nothing. Beyond ASCII there
        # are letters that a pattern takes for others, so such a text is left to the patterns.
        return text
    text = _SCHEME.sub(rf"\g<1>{REDACTED}", text)
    text = _NAMED.sub(_without_value, text)
    text = _IN_URL.sub(rf"\g<1>{REDACTED}", text)
    text = _KEY.sub(REDACTED, text)
    return _JWT.sub(lambda match: REDACTED if match[1] else match[0], text)


def hidden(values: JsonObject) -> JsonObject:
    """Return `values` without what secret-looking names stand for, and texts that look so."""
    return {
        name: REDACTED if is_secret(name) else hidden_value(value) for name, value in values.items()
    }


def hidden_value(value: JsonValue) -> JsonValue:
    """As `hidden`, for any value."""
    if isinstance(value, dict):
        return hidden(value)
    if isinstance(value, str):
        return redact(value)
    return [hidden_value(element) for element in value] if isinstance(value, list) else value


def _without_value(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}{REDACTED}" if match[2] else match[0]
