"""What a plain learner makes of third-party requests: words weighed by rarity, a line between classes.

It is trained on the labels, four fifths at a time; the rules never see one.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["folds", "learned", "majority"]

_WORD = re.compile(r"\w\w+")
_FOLDS = 5
_HELD = 0.5
_RAREST = 2
Matrix = NDArray[np.float32]


def majority(labels: Sequence[str]) -> float:
    """Return how often the most frequent label is right."""
    return Counter(labels).most_common(1)[0][1] / len(labels)


def learned(
    texts: Sequence[str], labels: Sequence[str], *, groups: Sequence[str] = (), seed: int = 0
) -> list[str]:
    """Return a label for each text, by a line that was drawn without it, and without its group."""
    guesses = [""] * len(texts)
    for train, test in folds(labels, groups=groups, seed=seed):
        made = _guessed([texts[int(at)] for at in train], [labels[int(at)] for at in train],
                        [texts[int(at)] for at in test])  # fmt: skip
        for at, guess in zip(test, made, strict=True):
            guesses[at] = guess
    return guesses


def folds(
    labels: Sequence[str], *, groups: Sequence[str] = (), seed: int = 0
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield what is shown and what is held out, until each was held out once; a group stays together."""
    fold = np.empty(len(labels), dtype=int)
    order = np.random.default_rng(seed).permutation(len(labels))
    for label in sorted(set(labels)):
        mine = [at for at in map(int, order) if labels[at] == label]
        fold[mine] = np.arange(len(mine)) % _FOLDS
    if groups:
        places = {group: at for at, group in enumerate(dict.fromkeys(groups))}
        fold = np.array([places[group] % _FOLDS for group in groups])
    for held in range(_FOLDS):
        yield np.flatnonzero(fold != held), np.flatnonzero(fold == held)


def _guessed(texts: Sequence[str], labels: Sequence[str], unseen: Sequence[str]) -> list[str]:
    counted = [_grams(text) for text in texts]
    spread = Counter(gram for grams in counted for gram in grams)
    columns = {
        gram: at for at, gram in enumerate(sorted(g for g in spread if spread[g] >= _RAREST))
    }
    rarity = np.ones(len(columns), dtype=np.float32)
    for gram, at in columns.items():
        rarity[at] = np.log((1 + len(texts)) / (1 + spread[gram])) + 1
    rows = _weighed(counted, columns, rarity)
    names = sorted(set(labels))
    wanted = np.array([[label == name for name in names] for label in labels], dtype=np.float32)
    weights = _line(rows, wanted)
    seen = _weighed([_grams(text) for text in unseen], columns, rarity)
    return [names[at] for at in np.argmax(seen @ weights, axis=1)]


def _grams(text: str) -> Counter[str]:
    words = _WORD.findall(text.lower())
    return Counter([*words, *(f"{a} {b}" for a, b in pairwise(words))])


def _weighed(counted: Sequence[Counter[str]], columns: dict[str, int], rarity: Matrix) -> Matrix:
    rows = np.zeros((len(counted), len(columns) + 1), dtype=np.float32)
    for at, grams in enumerate(counted):
        for gram, count in grams.items():
            if gram in columns:
                rows[at, columns[gram]] = (1 + np.log(count)) * rarity[columns[gram]]
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(length > 0, length, 1)
    rows[:, -1] = 1
    return rows


def _line(rows: Matrix, wanted: Matrix) -> Matrix:
    """Return the weights of ridge regression onto the labels, through the texts' likeness."""
    likeness = rows @ rows.T + _HELD * np.eye(len(rows), dtype=np.float32)
    weights: Matrix = rows.T @ np.linalg.solve(likeness, 2 * wanted - 1)
    return weights
