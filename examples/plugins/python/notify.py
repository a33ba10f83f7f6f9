"""Tells a server on localhost how the job ended."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import job, localhost, log
from wit_world.imports.types import (
    ExitStatus,
    ExitStatus_Exited,
    ExitStatus_NotStarted,
    ExitStatus_Signaled,
)

PORT = 8080
SERVER = f"localhost:{PORT}"


class AfterExit(exports.AfterExit):
    """Named like the interface that the world exports. The hook fails by raising `Err` with a sentence."""

    def run(self, status: ExitStatus) -> None:
        name, outcome, duration = job.name(), describe(status), job.duration()
        after = "" if duration is None else f" after {duration} ms"
        info(f"{name} {outcome}{after}")

        answered = post("/jobs", {"job": name, "outcome": outcome, "duration_ms": duration})
        if answered is None:
            info(f"nobody listens on {SERVER}")
        elif 200 <= answered < 300:
            info(f"{SERVER} answered {answered}")
        else:
            raise Err(f"{SERVER} answered {answered}")


def describe(status: ExitStatus) -> str:
    match status:
        case ExitStatus_Exited(code):
            return f"exited {code}"
        case ExitStatus_Signaled(number):
            return f"was killed by signal {number}"
        case ExitStatus_NotStarted(why):
            return f"did not start: {why}"


def post(path: str, value: object) -> int | None:
    """The status of the answer, or None where nobody listens."""
    headers = [("Content-Type", "application/json")]
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    try:
        return localhost.send(localhost.Request("POST", PORT, path, headers, body, timeout_ms=None)).status
    except Err as error:
        match error.value:
            case localhost.Error_Refused():
                return None
            case localhost.Error_Closed():
                why = "the connection was closed without an answer"
            case localhost.Error_TimedOut():
                why = "no answer in time"
            case localhost.Error_TooLarge():
                why = "the answer is too large"
            case localhost.Error_Denied(why) | localhost.Error_Other(why):
                pass
        raise Err(f"{SERVER}: {why}")


def info(message: str) -> None:
    log.log(log.Level.INFO, message)
