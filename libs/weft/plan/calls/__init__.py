"""A call: one task for one peer, attempted as often as is safe, with one recorded outcome."""

from weft.plan.calls.attempts import STOP_SECONDS
from weft.plan.calls.call import PeerCall, message_id_of
from weft.plan.calls.perform import UNREADABLE, perform, run_call

__all__ = ["STOP_SECONDS", "UNREADABLE", "PeerCall", "message_id_of", "perform", "run_call"]
