"""`weft up`: the mesh of this machine, for as long as somebody wants it."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import anyio
import typer
from rich.console import Console

import weft
from weft.cli.app import CANCELED, USAGE, Data, Json, MeshPlace, app, fail, run, tell
from weft.cli.ask import Goal, print_answer, submitted, watch
from weft.cli.client import gateway
from weft.cli.live_options import code_of, live_of, operated_of, runbooks_of, takes_live
from weft.core.private_files import resolved
from weft.local.credentials import Credentials
from weft.local.mesh import RunningMesh, UpOptions, mesh_up, until_interrupted


@app.command()
@takes_live
def up(
    context: typer.Context,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Where the gateway listens on 127.0.0.1.")
    ] = 8000,
    data_root: Annotated[
        list[Path] | None, typer.Option(help="Specialists open only what lies below; repeatable.")
    ] = None,
    data: Data = None,
    question: Annotated[
        str | None, typer.Option("--ask", help="Ask this once the mesh runs, then stop.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Start the whole mesh on this machine and keep it running until Ctrl-C.

    Behind a proxy, GATEWAY_HOSTS=mesh.example.com names what the gateway answers to, and
    GATEWAY_CORS_ORIGINS=https://app.example.com the pages of a browser that may call it.
    WEFT_DATA_ZONE=Europe/Berlin is the zone of times in logs that tell none; else they are UTC.
    The operator is started only where --operate names what it may act on, the generalist only
    where --runbooks names what it may answer from, the coder only where --code names a project.
    """
    data = resolved(data) if data else None
    roots = [*(data_root or []), *([data] if data else [])]
    if missing := [str(root) for root in roots if not root.is_dir()]:
        raise SystemExit(fail(f"there is no directory {', '.join(missing)}", USAGE))
    place: MeshPlace = context.obj
    options = UpOptions(
        home=place.home,
        port=port,
        project=_project(),
        data_roots=roots,
        data=data,
        live=live_of(context),
        operated=operated_of(context),
        runbooks=runbooks_of(context),
        code=code_of(context),
    )
    goal = Goal(question, data=data) if question else None
    raise SystemExit(run(_up(options, goal, command=place.command, as_json=as_json)))


def _project() -> Path:
    """Return the checkout we stand in, else the one this package was installed from."""
    here = Path.cwd()
    return here if (here / "router_service").is_dir() else Path(weft.__file__).parents[2]


async def _up(options: UpOptions, goal: Goal | None, *, command: str, as_json: bool) -> int:
    """Keep the mesh until Ctrl-C, also one that is not ready yet, or until the answer is there."""
    stopped = until_interrupted()
    hosting = asyncio.create_task(_hosted(options, goal, command=command, as_json=as_json))
    leaving = asyncio.create_task(stopped.wait())
    await asyncio.wait({hosting, leaving}, return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if hosting.done():
        return await hosting
    tell("weft", "stopping")
    hosting.cancel()
    await asyncio.wait({hosting})
    if not hosting.cancelled():
        return await hosting
    return 0 if goal is None else CANCELED


async def _hosted(options: UpOptions, goal: Goal | None, *, command: str, as_json: bool) -> int:
    async with mesh_up(options, tell=tell) as mesh:
        _welcome(mesh, command)
        if goal is None:
            await anyio.sleep_forever()
            return 0
        async with gateway(Credentials(url=mesh.url, key=mesh.key)) as front:
            run_id = await submitted(front, goal)
            tell("weft", f"run {run_id}")
            console = Console(stderr=True)
            answer = await watch(front, run_id, title=goal.text, console=console)
        print_answer(answer, as_json=as_json, command=command)
        return answer.exit_code


def _welcome(mesh: RunningMesh, command: str) -> None:
    tell("weft", f"ready in {mesh.seconds:.1f} s")
    lines = {
        "gateway": mesh.url,
        "API key": mesh.key,
        "state": str(mesh.home),
        "logs": str(mesh.logs),
        "try": f"{command} ask why is checkout slow",
    }
    shown = "".join(f"  {name:<8} {words}\n" for name, words in lines.items())
    sys.stderr.write(f"\n{shown}\n")
    sys.stderr.flush()
