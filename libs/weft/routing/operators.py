"""Who acts on running systems, and which requests are for them; pure.

An operator is a capability with effects for which another one proposes: its card tags that one
`proposes:<skill>`. So it can be asked what it would do before anybody approves it.
"""

from weft.catalog import Capability
from weft.language import lexicon
from weft.language.cues import Reading
from weft.routing.capabilities import CapabilityIndex, is_harmless, proposed_by

__all__ = ["asks_for_repair", "operator_for", "orders_an_operation", "proposer_of"]

_OPERATIONS = lexicon.words("restart reboot bounce relaunch scale resize page escalate wake")
"""Verbs for what is done to running systems and to nothing else."""
_SWITCHES = lexicon.words(
    "turn switch toggle flip enable disable activate deactivate revert rollback roll undo"
)
"""Verbs that may mean anything: a flag, or an identifier, says that one is meant."""
_SWITCHED = lexicon.words("flag flags toggle feature")
_REPAIRS = lexicon.words("fix remediate mitigate repair restore resolve recover heal")


def operator_for(index: CapabilityIndex) -> Capability | None:
    """Return who acts on running systems; None where nobody does who proposes first."""
    return next(
        (
            capability
            for capability in index.all()
            if not is_harmless(capability) and proposer_of(index, capability) is not None
        ),
        None,
    )


def proposer_of(index: CapabilityIndex, capability: Capability) -> Capability | None:
    """Return who says what `capability` would do, and does nothing; of the same provider."""
    return next(
        (
            proposer
            for proposer in index.all()
            if proposed_by(proposer) == capability.id
            and is_harmless(proposer)
            and set(proposer.providers) >= set(capability.providers)
        ),
        None,
    )


def orders_an_operation(reading: Reading) -> bool:
    """Tell whether something certain is to be done to what runs."""
    verbs = _verbs(reading)
    if verbs & _OPERATIONS:
        return True
    words = {word.text for word in reading.words if not word.quoted}
    switched = bool(words & _SWITCHED) or any("_" in word for word in words)
    return bool(verbs & _SWITCHES) and switched


def asks_for_repair(reading: Reading) -> bool:
    """Tell whether something is to be put right, whatever that takes."""
    return bool(_verbs(reading) & _REPAIRS)


def _verbs(reading: Reading) -> frozenset[str]:
    """Return what is ordered, without what is only asked about, told of or taken back."""
    told_of = {word.text for word in reading.effects if reading.only_tells_of(word)}
    return frozenset(
        (reading.requested_actions - told_of)
        | {order.partition(" ")[0] for order in reading.orders}
    )
