"""The contracts of databases: subclass one per backend in a test module."""

import asyncio
from itertools import chain

import pytest

from weft.checkpoint import Checkpointer
from weft.core import RunId
from weft.core.errors import StoreUnavailableError
from weft.testing.effectstore import EffectStoreContract
from weft.testing.runstore_admission import AdmissionContract
from weft.testing.runstore_backlog import BacklogContract
from weft.testing.runstore_book import BookContract
from weft.testing.runstore_claims import ClaimContract
from weft.testing.runstore_content import ContentContract
from weft.testing.runstore_dead import DeadRunsContract
from weft.testing.runstore_lists import ListContract
from weft.testing.runstore_log import LogContract
from weft.testing.runstore_messages import MessageContract
from weft.testing.runstore_ownership import OwnershipContract
from weft.testing.runstore_pruning import PruneContract
from weft.testing.runstore_repeats import RepeatContract
from weft.testing.runstore_waiting import WaitingContract
from weft.testing.store_values import ALICE, ScriptedFaults, ending, running
from weft.testing.threadstore import ThreadStoreContract

__all__ = ["CheckpointerContract", "RunStoreContract"]


class RunStoreContract(
    AdmissionContract,
    BacklogContract,
    BookContract,
    ClaimContract,
    ContentContract,
    DeadRunsContract,
    OwnershipContract,
    ListContract,
    LogContract,
    WaitingContract,
    MessageContract,
    PruneContract,
    RepeatContract,
):
    """Override the `checkpointer` fixture; it opens an empty database with these `faults`."""

    @pytest.fixture
    def faults(self) -> ScriptedFaults:
        return ScriptedFaults()

    @pytest.fixture
    def checkpointer(self) -> Checkpointer:
        raise NotImplementedError


class CheckpointerContract(RunStoreContract, ThreadStoreContract, EffectStoreContract):
    """All that one database promises, with the same two fixtures."""

    @pytest.mark.requirement("CKPT-13")
    async def test_one_object_serves_several_event_loops(self, checkpointer: Checkpointer) -> None:
        async def elsewhere(owner: str) -> list[str]:
            taken = []
            for _ in range(20):
                held = await running(checkpointer)
                await checkpointer.runs.finish(held, ending())
                taken.append(f"{owner} {held.run_id}")
            return taken

        names = ("a", "b", "c")
        loops = [asyncio.to_thread(asyncio.run, elsewhere(name)) for name in names]
        taken = await asyncio.gather(elsewhere("here"), *loops)

        for line in chain.from_iterable(taken):
            run = await checkpointer.runs.read(ALICE, RunId(line.split()[1]))
            assert run.status == "completed"
        assert len(set(chain.from_iterable(taken))) == 80

    async def test_a_closed_database_says_so(self, checkpointer: Checkpointer) -> None:
        await checkpointer.ping()
        await checkpointer.aclose()
        await checkpointer.aclose()

        with pytest.raises(StoreUnavailableError):
            await checkpointer.ping()
        with pytest.raises(StoreUnavailableError):
            await running(checkpointer)
