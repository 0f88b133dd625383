"""`weft up` that cannot start, or is stopped while it starts: one sentence, nothing left running."""

import errno
import os
import resource
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT
from weft.core.errors import system_words
from weft.local.ports import free_port

PATIENCE = 60.0
"""Only bounds what hangs: how long a start takes is the machine's business."""
STUCK = "import time\ntime.sleep(60)\n"
BROKEN = "import sys\nprint('one line', file=sys.stderr)\nsys.exit('the model is unknown')\n"


def project(place: Path, service: str) -> Path:
    for name in ("router_service", "gateway", "services/one"):
        (place / name).mkdir(parents=True)
        (place / name / "main.py").write_text(service)
    return place


def up(place: Path, port: int, *, python: str = sys.executable, **env: str) -> list[str]:
    """Return the sentences of a `weft up` that refuses."""
    refused = subprocess.run(
        [python, "-m", "weft.cli.main", "--home", str(place / "home"), "up", "--port", str(port)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=place,
        env={**os.environ, **env},
    )
    assert refused.returncode == 2, refused.stderr
    lines = refused.stderr.strip().splitlines()
    # What began is told in brackets, as progress.
    return [line for line in lines if not line.startswith("[")]


def test_a_missing_bus_binary_says_what_to_install(tmp_path: Path) -> None:
    place = project(tmp_path / "project", STUCK)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    packages = os.pathsep.join([str(ROOT / "libs"), sysconfig.get_path("purelib")])

    said = up(
        place, free_port(), python=str(tmp_path / "bin" / "python"), PATH="", PYTHONPATH=packages
    )

    assert said == ["weft: there is no nats-server here; install it: pip install 'weft-mesh[up]'"]


def test_a_place_without_services_says_where_to_go(tmp_path: Path) -> None:
    (tmp_path / "router_service").mkdir()

    said = up(tmp_path, free_port())

    assert len(said) == 1
    assert "run `weft up` in a checkout of Weft" in said[0]


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    place = project(tmp_path, STUCK)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        said = up(place, port)

    assert len(said) == 1
    assert f"127.0.0.1:{port}" in said[0]
    assert not (place / "home" / "logs").exists()


@pytest.mark.parametrize("days", ["soon", "-1", "nan", "inf"])
def test_days_that_are_none_are_named_before_anything_starts(tmp_path: Path, days: str) -> None:
    said = up(project(tmp_path, STUCK), free_port(), WEFT_KEEP_DAYS=days)

    assert said == [f"weft: WEFT_KEEP_DAYS={days} is no number of days; 0 keeps everything"]


def refused(command: list[str], place: Path, **options: object) -> list[str]:
    """Return the sentences of a command that refuses."""
    said = subprocess.run(
        [sys.executable, "-m", "weft.cli.main", *command],
        capture_output=True, text=True, timeout=40, check=False, cwd=place, **options,
    )  # type: ignore[call-overload]  # fmt: skip
    assert (said.returncode, said.stdout) == (2, "")
    lines: list[str] = said.stderr.strip().splitlines()
    return lines


def no_room() -> None:
    """Let this process write no byte to any file, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.parametrize("command", [["up"], ["keys", "create", "x"]])
def test_a_home_that_is_none_is_one_sentence(tmp_path: Path, command: list[str]) -> None:
    project(tmp_path, STUCK)
    (tmp_path / "file").write_text("")

    for home in ("file", "file/below", "x" * 300, "/proc/nothing"):
        said = refused(["--home", home, *command], tmp_path)

        assert len(said) == 1, said
        assert said[0].startswith("weft: ")
        assert "--home" in said[0]


@pytest.mark.parametrize("command", [["up"], ["keys", "create", "x"]])
def test_a_disk_without_room_is_one_sentence(tmp_path: Path, command: list[str]) -> None:
    project(tmp_path, STUCK)
    (tmp_path / "home").mkdir()

    said = refused(["--home", "home", *command], tmp_path, preexec_fn=no_room)

    assert len(said) == 1, said
    assert "free some disk space" in said[0]
    left = [each.name for each in (tmp_path / "home").iterdir() if each.stat().st_size]
    assert left == []


@pytest.mark.parametrize("option", ["--data-root", "--data"])
def test_data_that_is_not_there_is_named_before_anything_starts(
    tmp_path: Path, option: str
) -> None:
    said = refused(["--home", "home", "up", option, "nowhere"], project(tmp_path, STUCK))

    assert len(said) == 1, said
    assert "nowhere" in said[0]
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--operate", "shop"], "--operate takes an address such as http://127.0.0.1:9000"),
        (["--operate", "http://me:secret@shop"], "write its token into a file for --operate-token"),
        (["--operate-token", "token"], "--operate-token goes with --operate"),
        (["--operate", "http://127.0.0.1:1", "--operate-token", "none"], "there is no file none"),
        (["--runbooks", "nowhere"], "there is no directory nowhere"),
        (["--code", "nowhere"], "there is no directory nowhere for --code"),
    ],
)
def test_what_cannot_be_operated_is_named_before_anything_starts(
    tmp_path: Path, options: list[str], words: str
) -> None:
    said = refused(["--home", "home", "up", *options], project(tmp_path, STUCK))

    assert len(said) == 1, said
    assert words in said[0]
    assert "secret" not in said[0]
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("options", "started"),
    [
        ([], "nats, one, router"),
        (["--operate", "http://127.0.0.1:1"], "nats, one, operator, router"),
        (["--runbooks", "."], "nats, generalist, one, router"),
        (["--code", "."], "nats, coder, one, router"),
    ],
)
def test_who_acts_or_reads_is_started_only_where_there_is_something_to_act_on_or_to_read(
    tmp_path: Path, options: list[str], started: str
) -> None:
    place = project(tmp_path, "import sys\nsys.exit('no model')\n")
    for name in ("operator", "generalist", "coder"):
        (place / "services" / name).mkdir()
        (place / "services" / name / "main.py").write_text(BROKEN)

    said = refused(
        ["--home", "home", "up", "--port", str(free_port()), *options],
        place,
    )

    assert f"starting {started}" in said[0], said


@pytest.mark.parametrize("errno", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.ENOTDIR, 0])
def test_what_the_system_refuses_is_said_with_what_to_do(errno: int) -> None:
    words = system_words(OSError(errno, "No way", "/place"))

    assert words.startswith("/place: No way; ")


def test_a_service_that_cannot_start_gives_its_reason_in_one_sentence(tmp_path: Path) -> None:
    place = project(tmp_path, BROKEN)

    said = up(place, free_port())

    assert len(said) == 1
    assert said[0].startswith("weft: ")
    assert "did not start: the model is unknown (log: " in said[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_start_that_is_interrupted_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    place = project(tmp_path, STUCK)
    command = [sys.executable, "-m", "weft.cli.main", "--home", str(place / "home"), "up"]
    with subprocess.Popen(
        [*command, "--port", str(free_port())], stderr=subprocess.PIPE, text=True, cwd=place
    ) as process:
        children = started(process.pid, 4)
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE)

    _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    assert (process.returncode, alive) == (0, [])
    assert said.splitlines()[-1] == "[weft] stopping"


def started(pid: int, number: int) -> list[psutil.Process]:
    """Return the children of a process once there are `number` of them."""
    deadline = time.monotonic() + PATIENCE
    while len(found := psutil.Process(pid).children()) < number:
        assert time.monotonic() < deadline
        os.sched_yield()
    return found
