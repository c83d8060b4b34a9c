"""The folder in which the workers of one server leave what they have counted; one of somebody's own choice is kept."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own name for it."""

PREFIX = "gunicorn-run-"
PARENTS = ("/dev/shm", tempfile.gettempdir())  # noqa: S108 -- where it is made safely
NOTICE = "draining"
UNTIL_A_RELOAD = ("order-*.json", "budgets.json")
COUNTERS_BYTES = 512 * 1024  # some 200 combinations of method, route and status


def the_run_directory(parent: str, port: int) -> Path:
    """Return the folder that the environment names, or a new one in `parent`, which is named there from now on.

    So a reload, which asks again, and the workers get the same.
    """
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = _new_one(Path(parent), port)
    return Path(os.environ[VARIABLE])


def of_server(port: int) -> Path | None:
    """Return the folder of the server with that PORT on this machine, None where none runs; for commands."""
    if VARIABLE in os.environ:
        return Path(os.environ[VARIABLE])
    found = [each for parent in PARENTS for each in Path(parent).glob(f"{PREFIX}{port}-*") if _is_owned(each)]
    return next(iter(found), None)


def _new_one(parent: Path, port: int) -> str:
    """Make a folder, and remove those of servers that were killed."""
    for left in parent.glob(f"{PREFIX}*"):
        if not _is_owned(left):
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{PREFIX}{port}-{os.getpid()}-", dir=parent)


def _is_owned(folder: Path) -> bool:
    """Tell whether the server still runs that has made it."""
    owner = folder.name.split("-")[-2]
    return not owner.isdigit() or _is_alive(int(owner))


def notice_in(directory: Path) -> Path:
    """Return the file that is there from the moment at which the server is to stop."""
    return directory / NOTICE


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True


def begin_counting_anew(directory: Path) -> None:
    """Remove what another run has counted, if the folder is one of somebody's own choice; exit if it cannot be used."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for kind in ("*_[0-9]*.db", "worker-[0-9]*.json", "history.json", NOTICE, *UNTIL_A_RELOAD):
            for left in directory.glob(kind):
                left.unlink()
    except OSError as error:
        sys.exit(f"{VARIABLE}={directory} must be a folder that can be written ({error.strerror})")


def forget_orders(directory: Path) -> None:
    """Have the settings hold again: what was ordered while this server ran is gone."""
    for kind in UNTIL_A_RELOAD:
        for left in directory.glob(kind):
            left.unlink(missing_ok=True)


def count_here(directory: Path, worker: int) -> None:
    """Have prometheus_client count in this folder, under the worker's number; raise `OSError` if there is no room.

    By its number, not by its process: else each worker that is replaced would leave files behind for good.
    """
    from prometheus_client import values  # in a worker: by the variable it knows that it is one of several

    try:
        _make_room(directory / f"histogram_{worker}.db")
    except OSError:
        values.ValueClass = values.MutexValue  # counts for this process alone
        raise
    values.ValueClass = values.MultiProcessValue(lambda: worker)  # type: ignore[no-untyped-call] # theirs


def _make_room(file: Path) -> None:
    """Take the room that prometheus_client is going to write into: where there is none, that would end the process."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not file.exists():
        file.write_bytes(bytes(COUNTERS_BYTES))


def remove(directory: Path) -> None:
    """Remove the folder, unless it is one of somebody's own choice."""
    if directory.name.startswith(PREFIX):
        shutil.rmtree(directory, ignore_errors=True)
