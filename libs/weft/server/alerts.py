"""What Alertmanager delivers, and the run that one group of alerts asks for.

Payload, version 4: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from weft.core import JsonObject, JsonValue, rfc3339

MOST_ALERTS = 1_000
_SHOWN_ALERTS = 10
_SHOWN_LABELS = 12
_MOST_WORDS = 300
_NAME = "alertname"
Words = Annotated[dict[str, str], Field(max_length=200)]


class Alert(BaseModel):
    """One alert of a group; newer senders may add to it, so what is not known is not refused."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    status: Literal["firing", "resolved"] = "firing"
    labels: Words = Field(default_factory=dict)
    annotations: Words = Field(default_factory=dict)
    startsAt: AwareDatetime  # noqa: N815 - as it is delivered


class AlertGroup(BaseModel):
    """A delivery of Alertmanager's webhook: alerts that belong together."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    status: Literal["firing", "resolved"]
    groupKey: Annotated[str, Field(min_length=1, max_length=4096)]  # noqa: N815 - as delivered
    receiver: str = Field(default="", max_length=256)
    groupLabels: Words = Field(default_factory=dict)  # noqa: N815 - as it is delivered
    commonLabels: Words = Field(default_factory=dict)  # noqa: N815 - as it is delivered
    commonAnnotations: Words = Field(default_factory=dict)  # noqa: N815 - as it is delivered
    alerts: Annotated[tuple[Alert, ...], Field(min_length=1, max_length=MOST_ALERTS)]

    @property
    def began(self) -> datetime:
        """When the first of them began to fire."""
        return min(alert.startsAt for alert in self.alerts)

    @property
    def key(self) -> str:
        """What a repeated delivery has again: the group, and when it began."""
        said = f"{self.groupKey}\0{self.began.timestamp():.3f}"
        return "alert-" + hashlib.sha256(said.encode()).hexdigest()

    def goal(self) -> str:
        """Return what is asked, in words: the alert, what it is about, and what it says of itself."""
        labels = {**self.commonLabels, **self.groupLabels}
        name = labels.get(_NAME) or self.alerts[0].labels.get(_NAME) or "without a name"
        lines = [f"Diagnose the alert {_short(name)}, firing since {self._began_text()}."]
        if shared := _listed(labels):
            lines.append(f"It is about {shared}.")
        lines += [_sentence(text) for text in _annotations(self.commonAnnotations)]
        own = [_listed(_without(alert.labels, labels)) for alert in self.alerts]
        different = list(dict.fromkeys(words for words in own if words))
        lines += [f"- {words}" for words in different[:_SHOWN_ALERTS]]
        if len(different) > _SHOWN_ALERTS:
            lines.append(f"- and {len(different) - _SHOWN_ALERTS} more")
        return "\n".join(lines)

    def metadata(self) -> JsonObject:
        """Return what travels with the run: when it began, and the labels of the group."""
        labels: dict[str, JsonValue] = {
            _short(name): _short(value)
            for name, value in list({**self.commonLabels, **self.groupLabels}.items())[
                :_SHOWN_LABELS
            ]
        }
        return {"alert_time": self._began_text(), "alert": labels}

    def _began_text(self) -> str:
        return rfc3339(self.began.timestamp())


def _listed(labels: Mapping[str, str]) -> str:
    chosen = [(name, value) for name, value in labels.items() if name != _NAME and value]
    return ", ".join(f"{_short(name)} {_short(value)}" for name, value in chosen[:_SHOWN_LABELS])


def _without(labels: Mapping[str, str], common: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if common.get(name) != value}


def _annotations(annotations: Mapping[str, str]) -> Iterator[str]:
    for name in ("summary", "description", "message"):
        if text := annotations.get(name, "").strip():
            yield text


def _sentence(text: str) -> str:
    words = _short(text)
    return words if words.endswith((".", "!", "?", "…")) else f"{words}."


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _MOST_WORDS else f"{words[: _MOST_WORDS - 1]}…"
