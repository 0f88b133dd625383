"""Three trivial rules joined by rank: what any ranking of ours has to beat."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from incidents import Bounds, split
from services.log_analyst.templates import mine
from services.metrics_analyst.windows import cut
from services.trace_analyst.trees import Node, self_time, trees
from tests.rig.quality_cases import Trial

_DAMPING = 60


def floor_ranking(trial: Trial) -> list[tuple[str, float]]:
    scores: dict[str, float] = defaultdict(float)
    for source in (_metrics(trial), _traces(trial), _logs(trial)):
        for place, service in enumerate(_order(source), start=1):
            scores[service] += 1 / (_DAMPING + place)
    return sorted(scores.items(), key=lambda entry: (-entry[1], entry[0]))


def _order(scores: Mapping[str, float]) -> list[str]:
    return sorted((name for name in scores if scores[name] > 0), key=lambda x: (-scores[x], x))


def _metrics(trial: Trial) -> dict[str, float]:
    """Return per service the largest robust z of any of its metrics."""
    parts = cut(trial.baseline.series, trial.incident.series, Bounds(trial.alert))
    scores: dict[str, float] = defaultdict(float)
    for key, now in parts.incident.items():
        past = parts.normal.get(key)
        if past is None or len(past.values) < 3 or not now.values:
            continue
        middle = statistics.median(past.values)
        spread = 1.4826 * statistics.median(abs(value - middle) for value in past.values)
        spread = max(spread, 0.05 * abs(middle), 1e-6)
        z = abs(statistics.median(now.values) - middle) / spread
        scores[key[0]] = max(scores[key[0]], z)
    return scores


def _traces(trial: Trial) -> dict[str, float]:
    """Return per service how much its mean self time grew, in the mean of before."""
    rows = split(
        trial.baseline.spans, trial.incident.spans, lambda row: row.start, Bounds(trial.alert)
    )
    before, now = _selves(trees(rows.normal)), _selves(trees(rows.incident))
    return {
        name: (statistics.fmean(now[name]) - statistics.fmean(before[name]))
        / (statistics.fmean(before[name]) + 1e-3)
        for name in now
        if name in before
    }


def _selves(nodes: Sequence[Node]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for node in nodes:
        found[node.span.service].append(self_time(node))
    return found


def _logs(trial: Trial) -> Mapping[str, float]:
    """Return per service how many templates are new or gone."""
    rows = split(
        trial.baseline.logs, trial.incident.logs, lambda row: row.time, Bounds(trial.alert)
    )
    if not rows.normal or not rows.incident:
        return {}
    mined = mine([*rows.normal, *rows.incident])
    before, now = set(mined[: len(rows.normal)]), set(mined[len(rows.normal) :])
    return dict(Counter(template.service for template in before ^ now))
