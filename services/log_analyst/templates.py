"""Log templates: which lines say the same thing, whatever their numbers and names."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from drain3 import TemplateMiner  # type: ignore[import-untyped]
from drain3.template_miner_config import TemplateMinerConfig  # type: ignore[import-untyped]

from incidents import LogLine

_TOKENS = 14
_CHARACTERS = 400
_MOST_TEMPLATES = 1000
_SAMPLES = 5
"""So many messages of one numbered statement show what it says."""
_NUMBERED = re.compile(r"[#:]\d++$")
_MASKS = (
    (re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F-]{22,27}\b"), "<id>"),
    (re.compile(r"\b[0-9a-f]{12,}+\b"), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*"), "<time>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d++)?\b"), "<address>"),
    (re.compile(r"(?<![A-Za-z])-?\d++(?:\.\d++)?"), "<n>"),
    (re.compile(r"=(?!<)[^\s,;\])}]+"), "=<*>"),
)


@dataclass(frozen=True, slots=True)
class Template:
    """What a line says, and who says it; equal for lines that say the same."""

    service: str
    level: str
    logger: str
    text: str

    @property
    def is_error(self) -> bool:
        return self.level in ("ERROR", "FATAL")

    @property
    def is_warning(self) -> bool:
        return self.level == "WARN"

    def __str__(self) -> str:
        where = f"{self.logger} " if self.logger else ""
        return f"{self.level or 'line'} {where}{self.text}"[:200]


def mine(lines: Iterable[LogLine]) -> list[Template]:
    """Return the template of each line; the same lines in the same order give the same ones.

    A logger that names its line of code tells statements apart by itself, so its messages may
    differ in length and still be one template.
    """
    miners: dict[str, TemplateMiner] = {}
    clusters: dict[tuple[str, str], int] = {}
    statements: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    keys: list[tuple[LogLine, str, int]] = []
    for line in lines:
        mined = statements[line.service, line.level, line.logger]
        numbered = bool(_NUMBERED.search(line.logger))
        if numbered and len(mined) >= _SAMPLES:
            keys.append((line, "", mined[0]))
            continue
        content = _content(line)
        cluster = clusters.get((line.service, content))
        if cluster is None:
            miner = miners.setdefault(line.service, _miner())
            cluster = int(miner.add_log_message(content)["cluster_id"])
            clusters[line.service, content] = cluster
            mined.append(cluster)
        keys.append((line, content, cluster))
    texts = {
        (service, cluster.cluster_id): cluster.get_template()
        for service, miner in miners.items()
        for cluster in miner.drain.clusters
    }
    return _named(keys, texts)


def _named(
    keys: list[tuple[LogLine, str, int]], texts: dict[tuple[str, int], str]
) -> list[Template]:
    known: dict[tuple[str, str, str, int], Template] = {}
    templates = []
    for line, content, cluster in keys:
        statement = bool(_NUMBERED.search(line.logger))
        key = (line.service, line.level, line.logger, -1 if statement else cluster)
        if key not in known:
            text = texts.get((line.service, cluster), content)
            words = text.split(" ", 2)
            known[key] = Template(line.service, line.level, line.logger, words[-1])
        templates.append(known[key])
    return templates


def _content(line: LogLine) -> str:
    """Level and logger lead, so that Drain's tree separates by them first."""
    message = line.message[:_CHARACTERS]
    for pattern, mask in _MASKS:
        message = pattern.sub(mask, message)
    words = message.split()[:_TOKENS]
    return " ".join((line.level or "-", line.logger.replace(" ", "_") or "-", *words))


def _miner() -> TemplateMiner:
    config = TemplateMinerConfig()
    config.profiling_enabled = False
    config.drain_sim_th = 0.75
    config.drain_depth = 5
    config.drain_max_clusters = _MOST_TEMPLATES
    config.parametrize_numeric_tokens = True
    return TemplateMiner(config=config)
