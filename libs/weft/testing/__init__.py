"""Contracts, fakes and test models; shipped, so that any team can test its own parts."""

from importlib import import_module
from typing import TYPE_CHECKING

from weft.testing.grounding_pairs import GroundingPair, grounding_pairs
from weft.testing.models import (
    CompromisedModel,
    FunctionModel,
    ScriptedModel,
    ScriptedTurn,
    ScriptExhaustedError,
    call,
    register_script,
)

if TYPE_CHECKING:
    from weft.testing.durability import DurabilityContract
    from weft.testing.effectstore import EffectStoreContract
    from weft.testing.model_contract import ModelContract
    from weft.testing.openai_script import WireCall, WireReply
    from weft.testing.openai_server import ScriptedOpenAIServer
    from weft.testing.runstore import CheckpointerContract, RunStoreContract
    from weft.testing.store_values import ScriptedFaults
    from weft.testing.threadstore import ThreadStoreContract

__all__ = [
    "CheckpointerContract",
    "CompromisedModel",
    "DurabilityContract",
    "EffectStoreContract",
    "FunctionModel",
    "GroundingPair",
    "ModelContract",
    "RunStoreContract",
    "ScriptExhaustedError",
    "ScriptedFaults",
    "ScriptedModel",
    "ScriptedOpenAIServer",
    "ScriptedTurn",
    "ThreadStoreContract",
    "WireCall",
    "WireReply",
    "call",
    "grounding_pairs",
    "register_script",
]

# They need pytest, which a process that only uses a test model may lack.
_CONTRACTS = {
    "CheckpointerContract": "weft.testing.runstore",
    "DurabilityContract": "weft.testing.durability",
    "EffectStoreContract": "weft.testing.effectstore",
    "ModelContract": "weft.testing.model_contract",
    "RunStoreContract": "weft.testing.runstore",
    "ScriptedFaults": "weft.testing.store_values",
    "ScriptedOpenAIServer": "weft.testing.openai_server",
    "ThreadStoreContract": "weft.testing.threadstore",
    "WireCall": "weft.testing.openai_script",
    "WireReply": "weft.testing.openai_script",
}


def __getattr__(name: str) -> object:
    """Import a contract when it is first asked for."""
    if name not in _CONTRACTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    contract: object = getattr(import_module(_CONTRACTS[name]), name)
    return contract
