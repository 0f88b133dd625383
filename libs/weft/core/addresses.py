"""Which addresses a call that leaves the mesh may reach: public ones, and networks that somebody listed.

The ranges are written out: what `ipaddress` calls global differs between Python versions, and it
takes addresses that only wrap another for addresses of their own.
"""

import ipaddress
from collections.abc import Iterable, Iterator

__all__ = ["Address", "Network", "allows", "is_public", "network_of"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NOT_PUBLIC_4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
        "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    ipaddress.IPv6Network(text)
    # Teredo, benchmarks, ORCHID, documentation, 6to4: all lie within what is given out.
    for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
_WRAPPING = ipaddress.IPv6Network("64:ff9b::/96")
"""NAT64: the last 32 bits are the address that is reached."""


def network_of(text: str) -> Network:
    """Return the network that `text` names, `10.1.0.0/16` or a single address.

    Raises:
        ValueError: It names none.
    """
    return ipaddress.ip_network(text)


def is_public(address: Address) -> bool:
    """Tell whether an address is anybody's on the internet, and nothing special."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)


def allows(address: Address, listed: Iterable[Network]) -> bool:
    """Tell whether a call may go to `address`: it is public, or in one of the listed networks.

    An address that wraps another is as good as the one that is reached by it, and no better.
    """
    networks = tuple(listed)
    reached = [*_reached(address)]
    if any(_within(target, networks) for target in reached):
        return True
    return len(reached) == 1 and is_public(address)


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(network.version == address.version and address in network for network in networks)


def _reached(address: Address) -> Iterator[Address]:
    """Yield the address, and the one it stands for."""
    yield address
    if not isinstance(address, ipaddress.IPv6Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in _WRAPPING:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
