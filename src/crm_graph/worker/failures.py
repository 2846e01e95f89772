"""What is kept of a failed attempt, and when the next one is made."""

import traceback
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from crm_graph.errors import CrmError

FIRST = timedelta(seconds=2)
LONGEST = timedelta(hours=1)
LOST: Mapping[str, str] = {"code": "WORKER_LOST"}
TIMED_OUT = "TIMEOUT"
_PACKAGE = str(Path(__file__).parents[1])


def again_in(attempt: int, uniform: float) -> timedelta:
    """How long after its `attempt`th failure a job is tried again: twice as long each time, up to an hour, and of that
    a random part from a half on, so that what failed together does not come back together.
    """
    return min(FIRST * float(2 ** min(attempt - 1, 30)), LONGEST) * (0.5 + uniform / 2)


def kept(failure: BaseException) -> Mapping[str, str]:
    """What is kept of an error: its code, its kind and its place in the code. Not its message: that may quote data of a
    person, and would outlive their erasure.
    """
    code = failure.code if isinstance(failure, CrmError) else "INTERNAL"
    if isinstance(failure, TimeoutError):
        code = TIMED_OUT
    return {"code": code, "kind": type(failure).__name__, "place": _place(failure)}


def _place(failure: BaseException) -> str:
    """The innermost line of ours."""
    ours = [frame for frame in traceback.extract_tb(failure.__traceback__) if frame.filename.startswith(_PACKAGE)]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
