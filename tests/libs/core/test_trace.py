import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core import TraceContext, logged_trace_id, logged_under

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


def test_a_header_is_read_and_written_as_it_was() -> None:
    read = TraceContext.read(GOOD)

    assert read == TraceContext(TRACE, SPAN, sampled=True)
    assert read.header == GOOD


@pytest.mark.requirement("SEC-73")
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "garbage",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01 ",
        f"ff-{TRACE}-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01more",
        f" {GOOD}",
        GOOD.replace("b", "é"),
    ],
)
def test_a_header_that_is_none_begins_a_new_trace(header: str | None) -> None:
    assert TraceContext.read(header) is None
    begun = TraceContext.joined(header)
    assert TraceContext.read(begun.header) == begun
    assert begun.trace_id != TRACE


def test_a_later_versions_header_is_read_as_this_version_and_sent_as_this_version() -> None:
    later = TraceContext.read(f"cc-{TRACE}-{SPAN}-03-what the future will be like")

    assert later == TraceContext(TRACE, SPAN)
    assert later.header == GOOD


def test_flags_other_than_sampled_are_not_passed_on() -> None:
    unsampled = TraceContext.joined(f"00-{TRACE}-{SPAN}-fe")

    assert unsampled.header == f"00-{TRACE}-{unsampled.span_id}-00"


def test_each_hop_has_a_span_of_its_own_in_one_trace() -> None:
    first = TraceContext.joined(GOOD)
    hops = [first, first.child(), first.child().child()]

    assert {hop.trace_id for hop in hops} == {TRACE}
    assert len({SPAN, *(hop.span_id for hop in hops)}) == 4


@given(st.text(max_size=80))
def test_any_text_is_read_as_a_header_or_as_none(text: str) -> None:
    read = TraceContext.read(text)

    assert read is None or TraceContext.read(read.header) == read


async def test_a_log_line_knows_the_trace_of_its_own_task_only() -> None:
    async def under(trace: TraceContext) -> str | None:
        with logged_under(trace):
            await asyncio.sleep(0)
            return logged_trace_id()

    traces = [TraceContext.begun() for _ in range(3)]
    ids = await asyncio.gather(*map(under, traces))

    assert ids == [trace.trace_id for trace in traces]
    assert logged_trace_id() is None
