"""`python -m deploy.demo.shop payment --directory DIR [--peer inventory=URL ...]`."""

import argparse
import asyncio
from collections.abc import Mapping
from pathlib import Path

from deploy.demo.shop import checkout, frontend, inventory, payment
from deploy.demo.shop.service import Opened, run

SERVICES: Mapping[str, Opened] = {
    "inventory": inventory.opened,
    "payment": payment.opened,
    "checkout": checkout.opened,
    "frontend": frontend.opened,
}


def main() -> None:
    """Run the named service."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo.shop", description=main.__doc__)
    parser.add_argument("service", choices=SERVICES)
    parser.add_argument("--directory", type=Path, required=True, help="for its data and telemetry")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=URL")
    given = parser.parse_args()
    peers = dict(peer.split("=", 1) for peer in given.peer)
    opened = SERVICES[given.service]
    asyncio.run(run(given.service, opened, directory=given.directory, peers=peers))


if __name__ == "__main__":
    main()
