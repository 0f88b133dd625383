"""Which run a path names."""

from starlette.requests import Request

from weft.core import RunId
from weft.core.errors import NotFoundError


def run_id_of(request: Request) -> RunId:
    """Return the path's run id.

    Raises:
        NotFoundError: No run can have it.
    """
    run_id: str = request.path_params["run_id"]
    if not run_id.isascii() or len(run_id) > 64:  # noqa: PLR2004 - longer than any id
        raise NotFoundError("run", run_id[:64])
    return RunId(run_id)
