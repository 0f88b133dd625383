"""When data changed is found where it is clear, and nowhere else."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from incidents.change_point import Indicator, change_point

COUNT, STEP = 60, 30.0
Shape = Callable[[random.Random, int], float]


def measured(values: Sequence[float], service: str = "basket", **fields: object) -> Indicator:
    options: dict[str, object] = {"source": "traces", "way": 1, "floor": 0.02, **fields}
    times = [1000.0 + STEP * place for place in range(len(values))]
    what = str(options.pop("what", f"the time of {service}"))
    return Indicator(service=service, what=what, times=times, values=values, step=STEP, **options)  # type: ignore[arg-type]


def noisy(source: random.Random, _: int) -> float:
    return source.gauss(3, 0.2)


def seldom(source: random.Random, _: int) -> float:
    return source.choice([0.0, 0.0, 0.0, 0.01, 0.02])


def rising(source: random.Random, place: int) -> float:
    return 3 + place / 10 + source.gauss(0, 0.2)


def swinging(source: random.Random, place: int) -> float:
    return 3 + math.sin(place / 9) + source.gauss(0, 0.2)


def spiking(source: random.Random, place: int) -> float:
    return source.gauss(3, 0.2) + (90 if place in (30, 31) else 0)


CALM = (noisy, seldom, rising, swinging, spiking)


def calm(seed: int) -> list[Indicator]:
    source = random.Random(seed)  # noqa: S311 - noise, no secret
    series = [[shape(source, place) for place in range(COUNT)] for shape in CALM]
    wandering = [0.0]
    for _ in range(COUNT - 1):
        wandering.append(wandering[-1] + source.gauss(0, 1))
    return [
        measured(values, f"s{number}", is_harm=number % 2 == 0)
        for number, values in enumerate((*series, wandering))
    ]


def stepped(at: int, by: float, seed: int = 1) -> list[float]:
    source = random.Random(seed)  # noqa: S311
    return [noisy(source, place) + (by if place >= at else 0) for place in range(COUNT)]


@pytest.mark.requirement("DIAG-7")
def test_forty_calm_stretches_are_never_divided() -> None:
    assert [seed for seed in range(40) if change_point(calm(seed)) is not None] == []


@pytest.mark.parametrize("at", [8, 20, 41, 55])
def test_a_step_that_lasts_is_found_when_it_comes_among_what_is_calm(at: int) -> None:
    change = change_point([*calm(at), measured(stepped(at, 4.0))])

    assert change is not None
    assert abs(change.at - (1000 + STEP * at)) <= STEP
    assert change.shown_by == "traces: the time of basket"


def test_what_ends_again_is_dated_by_its_begin() -> None:
    values = [value - (4 if place >= 45 else 0) for place, value in enumerate(stepped(30, 4.0))]

    change = change_point([measured(values)])

    assert change is not None
    assert abs(change.at - (1000 + STEP * 30)) <= STEP


@pytest.mark.parametrize(
    "series",
    [
        stepped(3, 4.0),
        stepped(58, 4.0),
        stepped(30, 0.3),
        stepped(30, -4.0),
        [0.0] * COUNT,
        [1.0, 2.0],
    ],
    ids=["no before", "no after", "too little", "for the better", "constant", "few"],
)
def test_what_is_no_clear_harm_divides_nothing(series: list[float]) -> None:
    assert change_point([measured(series)]) is None


def test_a_metric_alone_is_no_harm_and_two_are() -> None:
    first = measured(stepped(30, 4.0), source="metrics", way=0, is_harm=False, what="cpu of basket")
    other = measured(
        stepped(31, 4.0, 2), source="metrics", way=0, is_harm=False, what="threads of basket"
    )

    assert change_point([first]) is None
    assert change_point([first, other]) is not None


def test_across_a_hole_in_the_recording_nothing_is_seen_to_change() -> None:
    whole = measured(stepped(30, 4.0))
    times = [time + (3600 if place >= 30 else 0) for place, time in enumerate(whole.times)]

    assert change_point([whole]) is not None
    assert change_point([replace(whole, times=times)]) is None


def test_two_changes_that_are_alike_divide_nothing() -> None:
    early, late = measured(stepped(15, 4.0), "basket"), measured(stepped(45, 4.0), "ledger")

    assert change_point([early, late]) is None


@pytest.mark.requirement("DIAG-9")
def test_neither_order_nor_names_matter() -> None:
    some = [*calm(3), measured(stepped(30, 4.0), "zebra"), measured(stepped(30, 4.0, 2), "ant")]

    changes = {change.at for order in (some, some[::-1]) if (change := change_point(order))}

    assert len(changes) == 1
