"""Lets the job start when a server on localhost is ready."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import localhost

PORT = 8080


class BeforeStart(exports.BeforeStart):
    """Named like the interface that the world exports. The job does not start where it raises `Err` with a sentence."""

    def run(self) -> None:
        if trouble := ask_ready():
            raise Err(f"localhost:{PORT} is not ready: {trouble}")


def ask_ready() -> str | None:
    """Why the server is not ready, or None where it is."""
    try:
        answer = localhost.send(localhost.Request("GET", PORT, "/ready", [], b"", timeout_ms=None))
        return None if answer.status == 200 else f"it answered {answer.status}"
    except Err as error:
        match error.value:
            case localhost.Error_Refused():
                return "nobody listens there"
            case localhost.Error_Closed():
                return "the connection was closed without an answer"
            case localhost.Error_TimedOut():
                return "no answer in time"
            case localhost.Error_TooLarge():
                return "the answer is too large"
            case localhost.Error_Denied(why) | localhost.Error_Other(why):
                return why
