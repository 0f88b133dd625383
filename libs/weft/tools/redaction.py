"""Takes secrets out of text that a model or a client will read."""

import re

_HIDDEN = "[redacted]"
_PATTERNS = (
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"),
    re.compile(
        r"(?i)([\"']?\b[\w-]*(?:api[_-]?key|token|secret|passw(?:or)?d|pwd|authorization|credential)"
        r"[\w-]*[\"']?\s*[=:]\s*)(?!\s*(?:bearer|basic)\b)[\"']?[^\s\"',;&}]+[\"']?"
    ),
    re.compile(r"(\w+://[^/\s:@]*:)[^/\s@]+(?=@)"),
    re.compile(r"()\b(?:sk|pk|ghp|gho|xox[abp]|AKIA)[-_]?[A-Za-z0-9_-]{12,}"),
    re.compile(r"()\beyJ[\w-]+\.[\w-]+\.[\w-]*"),
)


def redact(text: str) -> str:
    """Return `text` with whatever looks like a credential replaced."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{_HIDDEN}", text)
    return text
