"""Who is on the list: proven, kept through silence, gone when it answers no more."""

import pytest

from tests.libs.catalog.mesh import ByHand, Living, entry, sealed
from weft.catalog import Entry
from weft.catalog.listing import MAX_ENTRIES, MAX_INSTANCES, Listing, SilencePatience

LOGS, CODE = entry("logs", port=1), entry("code", port=2)
PATIENCE = SilencePatience(silent=15, away=10, look=1)


class House:
    """A listing, its clock, and who is there."""

    def __init__(self) -> None:
        self.clock, self.living = ByHand(), Living()
        self.listing = Listing(self.living, patience=PATIENCE, clock=self.clock)

    async def hear(self, *entries: Entry, old: bool = False) -> None:
        for member in entries:
            await self.listing.hear(member.key, sealed(member, old=old))
        await self.listing.look()

    async def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.time += 1
            await self.listing.look()

    @property
    def names(self) -> list[str]:
        return sorted(each.service for each in self.listing.entries())


@pytest.fixture
def house() -> House:
    return House()


async def test_who_announces_itself_and_answers_is_listed(house: House) -> None:
    house.living.live(LOGS)

    await house.hear(LOGS, CODE)

    assert house.names == ["logs"]


async def test_what_nobody_fresh_signed_is_not_even_asked(house: House) -> None:
    house.living.live(LOGS)

    await house.hear(LOGS, old=True)
    await house.listing.hear(LOGS.key, b"noise")
    await house.listing.hear(CODE.key, sealed(LOGS))
    await house.listing.look()

    assert (house.names, house.living.asked) == ([], [])


async def test_silence_alone_removes_nobody(house: House) -> None:
    house.living.live(LOGS, CODE)
    await house.hear(LOGS, CODE)
    revision = house.listing.revision

    await house.pass_time(300)

    assert house.names == ["code", "logs"]
    assert house.listing.revision == revision
    # Each was asked once for its start and then each time it had been silent for long.
    assert 2 * 10 <= len(house.living.asked) <= 2 * 30


@pytest.mark.parametrize("leaving", [False, True])
async def test_a_list_that_was_emptied_is_not_believed(house: House, *, leaving: bool) -> None:
    house.living.live(LOGS, CODE)
    await house.hear(LOGS, CODE)

    for each in (LOGS, CODE):
        house.listing.miss(each.key, leaving=leaving)
    await house.pass_time(60)

    assert house.names == ["code", "logs"]


async def test_who_is_silent_and_answers_no_more_is_gone_after_a_while(house: House) -> None:
    house.living.live(LOGS, CODE)
    await house.hear(LOGS, CODE)
    house.living.die(LOGS)

    await house.pass_time(15)
    assert house.names == ["code", "logs"]
    await house.pass_time(13)

    assert house.names == ["code"]


async def test_who_hangs_is_gone_sooner_than_who_may_restart_and_never_by_one_question(
    house: House,
) -> None:
    house.living.live(LOGS, CODE)
    await house.hear(LOGS, CODE)
    house.living.hung.add(LOGS.url)
    house.living.die(CODE)
    for member in (LOGS, CODE):
        house.listing.miss(member.key)
    await house.listing.look()
    house.clock.time += 100

    # Whoever asks was asleep: a question from before tells nothing.
    await house.listing.look()
    assert "logs" in house.names
    await house.pass_time(1)

    assert house.names == []
    assert set(house.listing.hanging()) == {"logs"}
    house.living.hung.clear()
    await house.hear(LOGS)
    assert (house.names, house.listing.hanging()) == (["logs"], {})


async def test_a_word_from_who_is_asked_keeps_it(house: House) -> None:
    house.living.live(LOGS)
    await house.hear(LOGS)
    house.living.hung.add(LOGS.url)

    for _ in range(10):
        house.listing.miss(LOGS.key)
        await house.pass_time(5)
        await house.listing.hear(LOGS.key, sealed(LOGS))

    assert house.names == ["logs"]


async def test_who_is_back_in_time_never_left(house: House) -> None:
    house.living.live(LOGS)
    await house.hear(LOGS)
    revision = house.listing.revision
    house.listing.miss(LOGS.key)
    house.living.die(LOGS)
    await house.pass_time(8)
    house.living.live(LOGS)

    await house.pass_time(60)

    assert (house.names, house.listing.revision) == (["logs"], revision)


async def test_who_took_itself_back_and_answers_no_more_is_gone_at_once(house: House) -> None:
    house.living.live(LOGS, CODE)
    await house.hear(LOGS, CODE)
    house.living.die(LOGS)

    house.listing.miss(LOGS.key, leaving=True)
    await house.listing.look()

    assert house.names == ["code"]
    assert house.listing.withdrawn() == {"logs"}
    assert house.listing.hanging() == {}


async def test_a_new_process_at_the_same_address_takes_the_place_of_the_old(house: House) -> None:
    house.living.live(LOGS)
    await house.hear(LOGS)
    successor = entry("logs", "b", port=1)
    house.living.live(successor)

    await house.hear(successor)

    assert house.listing.entries() == (successor,)


async def test_a_successor_is_found_by_asking_where_its_predecessor_was(house: House) -> None:
    house.living.live(LOGS)
    await house.hear(LOGS)
    house.living.live(entry("logs", "b", port=1))

    await house.pass_time(17)

    assert [each.instance for each in house.listing.entries()] == ["b"]


async def test_words_of_an_earlier_life_keep_nobody_alive(house: House) -> None:
    house.living.live(LOGS)
    await house.hear(LOGS)
    house.living.die(LOGS)

    for _ in range(40):
        await house.hear(LOGS, old=True)
        await house.pass_time(1)

    assert house.names == []


async def test_who_is_remembered_is_awaited_until_it_answers_and_not_for_ever(house: House) -> None:
    house.living.live(LOGS)
    house.listing.suppose([LOGS, CODE])

    await house.pass_time(1)
    assert (house.names, house.listing.awaited()) == (["logs"], frozenset({"code"}))
    assert house.listing.supposed() == (CODE,)

    await house.pass_time(20)
    assert (house.names, house.listing.awaited()) == (["logs"], frozenset())


async def test_somebody_arrives_from_his_first_word_to_the_answer_or_to_its_absence(
    house: House,
) -> None:
    house.living.live(LOGS)
    house.listing.suppose([LOGS])
    assert house.listing.arriving()
    await house.listing.look()
    assert not house.listing.arriving()

    house.listing.suppose([CODE])
    assert house.listing.arriving()
    await house.listing.look()
    assert (house.listing.arriving(), house.listing.awaited()) == (False, frozenset({"code"}))


async def test_nobody_fills_the_list(house: House) -> None:
    many = [entry("logs", str(n), port=n) for n in range(2, MAX_INSTANCES + 10)]
    house.living.live(*many)

    await house.hear(*many)
    assert len(house.listing.entries()) == MAX_INSTANCES

    others = [entry(f"s{n}", port=10_000 + n) for n in range(MAX_ENTRIES + 10)]
    house.listing.suppose(others)
    assert len(house.listing._new) + len(house.listing.entries()) == MAX_ENTRIES
