"""The bus's users on one machine: one a service, each with the subjects that are its own.

What a service may not do NATS refuses: a specialist announces itself and hears its own bells, and
reads neither runs nor the list of the others.
"""

import json
import os
import secrets
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from weft.bus.credentials import FOLDER, SPECIALIST, BusUser
from weft.core import ROUTER, name_digest

GATEWAY = "gateway"
BUCKET = "weft_agents"
_STREAM = f"KV_{BUCKET}"
_LISTING = (
    *(f"$JS.API.STREAM.{verb}.{_STREAM}" for verb in ("INFO", "CREATE", "DELETE")),
    *(f"$JS.API.CONSUMER.{verb}.{_STREAM}.>" for verb in ("CREATE", "INFO", "DELETE")),
    f"$JS.API.CONSUMER.CREATE.{_STREAM}",
    f"$JS.ACK.{_STREAM}.>",
    f"$JS.FC.{_STREAM}.>",
)
"""What reading and making the bucket takes."""


def make_users(home: Path, specialists: Iterable[str], *, url: str) -> str:
    """Write a fresh credential of the bus at `url` for each service, and return NATS's `authorization` block.

    It blocks; call it before NATS and the services are started.
    """
    folder = home / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    user = partial(_user, folder, url)
    names = [ROUTER, GATEWAY, *specialists]
    users = [
        user(ROUTER, *_router()),
        user(GATEWAY, *_gateway()),
        *(user(name, *_specialist(name)) for name in specialists),
        user(SPECIALIST, *_newcomer(), denied=_all_own(names)),
    ]
    return "authorization {\n  users: [\n" + "\n".join(users) + "\n  ]\n}\n"


def _router() -> tuple[list[str], list[str]]:
    own = name_digest(ROUTER)
    publish = [*_own(own), "weft.run.*.*", *_LISTING]
    return publish, [f"weft.work.{own}", f"weft.cancel.{own}.*"]


def _gateway() -> tuple[list[str], list[str]]:
    router = name_digest(ROUTER)
    publish = [f"weft.work.{router}", f"weft.cancel.{router}.*", "weft.run.*.*", *_LISTING]
    return publish, ["weft.run.*.*"]


def _specialist(name: str) -> tuple[list[str], list[str]]:
    own = name_digest(name)
    return _own(own), _bells(own)


def _newcomer() -> tuple[list[str], list[str]]:
    return _own("*"), _bells("*")


def _own(token: str) -> list[str]:
    return [*_bells(token), f"$KV.{BUCKET}.{token}.*"]


def _bells(token: str) -> list[str]:
    return [f"weft.work.{token}", f"weft.cancel.{token}.*", f"weft.task.{token}.*"]


def _all_own(names: Sequence[str]) -> list[str]:
    return [subject for name in names for subject in _own(name_digest(name))]


def _user(
    folder: Path,
    url: str,
    name: str,
    publish: Sequence[str],
    subscribe: Sequence[str],
    *,
    denied: Sequence[str] = (),
) -> str:
    user = BusUser(name=name, password=secrets.token_urlsafe(32), url=url)
    descriptor = os.open(folder / f"{name}.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(user.to_json(), file)
    hears = [*subscribe, f"_INBOX_{name_digest(name)}.>"]
    return (
        f"    {{user: {json.dumps(name)}, password: {json.dumps(user.password)}, permissions: {{"
        f"publish: {_rights(publish, denied)}, subscribe: {_rights(hears, denied)}}}}}"
    )


def _rights(allowed: Sequence[str], denied: Sequence[str]) -> str:
    return f"{{allow: {json.dumps(list(allowed))}, deny: {json.dumps(list(denied))}}}"
