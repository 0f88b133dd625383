"""Random plans over random peers, each held to its price and to its limits: more than a test has time for.

Time passes at once in it, so that a plan takes milliseconds, whatever its peers wait for.
"""

import argparse
import logging
import sys

from tests.libs.plan.random_plans import check, walked


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the seed to begin with")
    arguments = parser.parse_args()
    # Peers that break are meant to.
    logging.disable(logging.CRITICAL)
    calls, faults = 0, list[str]()
    for seed in range(arguments.first, arguments.first + arguments.plans):
        walk = walked(seed)
        calls += len(walk.crowd.log)
        try:
            check(walk)
        except AssertionError as error:
            faults.append(str(error))
    print("\n".join(faults[:20]))
    print(f"{arguments.plans} plans, {calls} calls, {len(faults)} beyond a limit")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
