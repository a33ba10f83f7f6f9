"""That the wrapper and Spark's entrypoint fit together: a script that becomes `tini -s -- PROGRAM`, under the wrapper as process 1.

Arguments: the wrapper, and tini. Needs: root, for namespaces of its own.
"""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

WRAPPER, TINI = (os.path.abspath(path) for path in sys.argv[1:3])
asked = []
# The name of the parent of a process whose own parent has ended.
ORPHAN = """
orphan=$(sh -c 'sleep 60 >/dev/null & echo $!')
read -r _ _ _ parent _ </proc/$orphan/stat
cat /proc/$parent/comm
kill $orphan
"""


class Sidecar(BaseHTTPRequestHandler):
    def do_POST(self):
        asked.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def run(script, stop=False):
    """Runs it as process 1 of a namespace; with `stop`, SIGTERM comes when it has said that it is there."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", WRAPPER, entrypoint, "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        if stop:
            assert process.stdout.readline() == "here\n"
            [child] = open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()
            os.kill(int(child), signal.SIGTERM)
        output = process.stdout.read()
    return process.returncode, output


# A network of this process's own, with its loopback up, so that the ports are free.
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x40000000) == 0, os.strerror(ctypes.get_errno())
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
threading.Thread(target=HTTPServer(("127.0.0.1", 15020), Sidecar).serve_forever, daemon=True).start()

with tempfile.TemporaryDirectory() as folder:
    entrypoint = f"{folder}/entrypoint.sh"
    with open(entrypoint, "w") as text:
        text.write(f'#!/bin/sh\nset -e\nexec {TINI} -s -- "$@"\n')
    os.chmod(entrypoint, 0o755)
    for what, got, wanted in [
        ("the exit code is the program's", run("exit 7"), (7, "")),
        ("a SIGTERM reaches the program", run("trap 'echo stopped; exit 143' TERM; echo here; sleep 60 & wait", stop=True), (143, "stopped\n")),
        ("tini adopts an orphan", run(ORPHAN), (0, "tini\n")),
    ]:
        assert got == wanted, (what, got)
        print("ok:", what)
assert asked == ["/quitquitquit"] * 3, asked
print("ok: and each time the sidecar was asked to quit")
