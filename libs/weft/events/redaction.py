"""Takes secrets out of what is told: by the form of a text, and by the name of a value."""

import re

from weft.core import JsonObject, JsonValue

REDACTED = "[redacted]"
_SECRET_NAME = re.compile(
    r"(?i)passw|\bpwd|token|secret|authorization|api[_-]?key|cookie|credential"
)
_PATTERNS = (
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"),
    re.compile(
        r"(?i)([\"']?\b[\w-]*(?:api[_-]?key|token|secret|passw(?:or)?d|pwd|authorization|credential)"
        r"[\w-]*[\"']?\s*[=:]\s*)(?!\s*(?:bearer|basic)\b)[\"']?[^\s\"',;&}]+[\"']?"
    ),
    re.compile(r"(\w+://[^/\s:@]*:)[^/\s@]+(?=@)"),
    re.compile(r"()\b(?:sk|pk|ghp|gho|xox[abp]|AKIA)[-_]?[A-Za-z0-9_-]{12,}"),
    re.compile(r"()\beyJ[\w-]+\.[\w-]+\.[\w-]*"),
    re.compile(r"()\bwft_[0-9a-f]{16}_[\w-]+"),
)


def is_secret(name: str) -> bool:
    """Tell whether a value of this name is nobody's to read."""
    return _SECRET_NAME.search(name) is not None


def redact(text: str) -> str:
    """Return `text` with whatever looks like a credential replaced."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{REDACTED}", text)
    return text


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
    return [hidden_value(each) for each in value] if isinstance(value, list) else value
