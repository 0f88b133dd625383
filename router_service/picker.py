"""A model chooses among the protocols that rules let through; where it gives no choice, theirs stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from weft.core import NO_USAGE, Authority, Deadline, JsonObject, JsonValue, Usage, parts_of
from weft.language import READ
from weft.loop import Agent, Task
from weft.models import Model, ModelRetryConfig
from weft.plan import fenced
from weft.routing import Pick, Selection, TaskType
from weft.runs import Journal, NestedJournal

PLACE = "pick"
"""Where in a run's log the choice stands."""
SECONDS = 5.0
"""After so much silence the rules choose."""
_PROMPT = (Path(__file__).parent / "prompts" / "pick.md").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Picked:
    """What a model chose, by goal, and what that took."""

    picks: Mapping[TaskType, Pick] = field(default_factory=dict)
    usage: Usage = NO_USAGE


class Picker:
    """Asks a model once for each part of a goal that several protocols could do."""

    def __init__(self, model: Model, *, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._agent = Agent(
            model,
            system_prompt=_PROMPT,
            name="picker",
            # One question, one answer: whatever goes wrong, rules have chosen already.
            model_retry=ModelRetryConfig(max_retries=0),
            output_schema_retries=0,
        )

    async def pick(
        self,
        goal: str,
        choices: Mapping[TaskType, Selection],
        authority: Authority,
        *,
        journal: Journal | None = None,
    ) -> Picked:
        """Return a choice, or why there is none, for each of `choices`."""
        picks: dict[TaskType, Pick] = {}
        usage = NO_USAGE
        for part, selection in choices.items():
            place = (PLACE, part.value)
            task = Task(
                parts_of(_asked(goal, part, selection)),
                f"{PLACE}:{part.value}:{journal.run_id if journal else ''}",
                authority=authority.narrowed(deadline=Deadline.after(self._seconds)),
                output_schema=_schema([each.protocol.id for each in selection.candidates]),
                journal=None if journal is None else NestedJournal(journal, place),
            )
            result = await self._agent.start(task)
            usage += result.usage
            said = result.data if result.ok and result.generated_by == "model" else None
            picks[part] = _pick(said, [reason.message for reason in result.reasons])
        return Picked(picks, usage)


def _pick(said: JsonValue, faults: Sequence[str]) -> Pick:
    if isinstance(said, dict):
        return Pick(str(said["protocol"]), str(said["rationale"]))
    why = next(iter(faults), "it said nothing")
    return Pick(why=f"rules chose, since the model did not: {why}")


def _asked(goal: str, part: TaskType, selection: Selection) -> str:
    lines = [
        f"- {candidate.protocol.id}: {candidate.protocol.description} Cost"
        f" {candidate.protocol.cost}, latency {candidate.protocol.latency}."
        for candidate in selection.candidates
    ]
    listed = ["Protocols, as rules rank them:", *lines, f"It is to {part.value.replace('_', ' ')}:"]
    return "\n".join([*listed, fenced("the request", goal[:READ])])


def _schema(names: Sequence[str]) -> JsonObject:
    ids: list[JsonValue] = [*names]
    return {
        "type": "object",
        "properties": {
            "protocol": {"type": "string", "enum": ids},
            "rationale": {"type": "string"},
        },
        "required": ["protocol", "rationale"],
        "additionalProperties": False,
    }
