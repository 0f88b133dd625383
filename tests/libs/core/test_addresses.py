"""Which addresses may be called from here: public ones and listed ones, whatever they are wrapped in."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.addresses import allows, is_public, network_of

V4 = st.ip_addresses(v=4)
V6 = st.ip_addresses(v=6)


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",  # noqa: S104 - nothing is bound
        "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "100.127.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.7",
        "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.88.99.1",
        "::", "::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "2002:7f00:1::",
        "2001::1", "3fff::1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "fec0::1",
    ],
)  # fmt: skip
def test_special_addresses_are_never_called_unlisted(text: str) -> None:
    assert not allows(ipaddress.ip_address(text), ())


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111"])
def test_public_ones_are(text: str) -> None:
    assert allows(ipaddress.ip_address(text), ())


@given(V4 | V6)
def test_nothing_is_called_that_the_library_of_python_does_not_take_for_global(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_private
        assert not address.is_multicast
        assert not address.is_reserved


@given(V4, st.sampled_from(["::ffff:{}", "64:ff9b::{}"]))
def test_a_wrapped_address_is_called_only_where_the_wrapped_one_is_listed(
    address: ipaddress.IPv4Address, form: str
) -> None:
    wrapped = ipaddress.ip_address(form.format(address))

    assert not allows(wrapped, ())
    assert allows(wrapped, (ipaddress.ip_network(f"{address}/32"),))


@given(V4 | V6, st.integers(min_value=0, max_value=32))
def test_a_listed_network_lets_its_own_addresses_pass_and_no_others(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int
) -> None:
    network = ipaddress.ip_network((address, length), strict=False)

    assert allows(address, (network,))
    beyond = ipaddress.ip_address("10.0.0.1" if address.version == 6 else "fd00::1")
    assert not allows(beyond, (network,))


def test_what_is_no_network_is_said() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.300"):
        network_of("10.0.0.300")
