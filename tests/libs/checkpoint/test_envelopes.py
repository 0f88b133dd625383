"""What is read from the log is an envelope like any other, though nothing validated it."""

import pickle

from weft.checkpoint.text import EventRow, envelope
from weft.events import Envelope, Origin

ROW = EventRow(
    run_id="r", seq=3, ts="2026-01-31T12:00:00.000Z", type="agent.custom", path='["a","b"]',
    agent="logs", span_id=None, origin=Origin(run_id="other", seq=2).model_dump_json(),
    data='{"name":"x","n":[1,null]}',
)  # fmt: skip


def test_an_envelope_of_the_log_equals_one_that_was_validated() -> None:
    made = envelope(ROW, "acme", "t", None)

    text = made.model_dump_json()
    assert made == Envelope.model_validate_json(text)
    assert made.__dict__.keys() == Envelope.model_fields.keys()
    assert made.model_fields_set == Envelope.model_fields.keys()
    assert made.model_copy(update={"seq": 4}).seq == 4
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - its own words
