#!/usr/bin/env python3
"""Makes the images of the test's cluster: archives as `docker save` writes them, of one layer each, without a daemon or a registry.

    images.py FOLDER

The binaries, the plugins and the Envoy in them are those of target/. `make images` builds the real images from the Dockerfile, and
tests them.
"""

import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGET = f"{ROOT}/target"
DIST = f"{TARGET}/dist"
VERSION = re.search(r'^version = "(.*)"', open(f"{ROOT}/Cargo.toml").read(), re.MULTILINE)[1]
CPU = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]

# The first process of each pod's sandbox: it waits, and reaps.
PAUSE = """
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int signal) { (void)signal; _exit(0); }
static void reap(int signal) { (void)signal; while (waitpid(-1, 0, WNOHANG) > 0); }
int main(void) {
    signal(SIGINT, end);
    signal(SIGTERM, end);
    signal(SIGCHLD, reap);
    for (;;) pause();
}
"""

# The job of the tests: it does what the variable JOB says.
MY_JOB = b"""#!/bin/sh
eval "${JOB:-echo the job works; sleep 1; echo the job is done}"
"""


def add(tar, name, data=None, mode=0o755, link=None):
    """A file, a link, or without either a folder."""
    entry = tarfile.TarInfo(name)
    entry.mode = mode
    if link:
        entry.type, entry.linkname = tarfile.SYMTYPE, link
    elif data is None:
        entry.type = tarfile.DIRTYPE
    else:
        entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data or b""))


def image(name, files, config):
    """An image with these files: what is at each path, and whether it can be executed."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        folders = {path.rsplit("/", i)[0] for path in files for i in range(1, path.count("/") + 1)}
        for folder in sorted(folders):
            add(tar, folder)
        for path, what in files.items():
            if what is None:
                add(tar, path, mode=0o1777)
            elif isinstance(what, bytes):
                add(tar, path, what)
            elif isinstance(what, tuple):
                add(tar, path, link=what[0])
            else:
                add(tar, path, open(what, "rb").read(), 0o644 if what.endswith((".wasm", ".yaml")) else 0o755)
    layer = layer.getvalue()
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": CPU,
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    identity = hashlib.sha256(config).hexdigest()
    manifest = [{"Config": f"{identity}.json", "RepoTags": [name], "Layers": [f"{digest}/layer.tar"]}]
    with tarfile.open(f"{sys.argv[1]}/{name.rsplit('/', 1)[1].replace(':', '-')}.tar", "w") as tar:
        add(tar, f"{identity}.json", config)
        add(tar, f"{digest}/layer.tar", layer)
        add(tar, "manifest.json", json.dumps(manifest).encode())


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


os.makedirs(sys.argv[1], exist_ok=True)
with tempfile.TemporaryDirectory() as work:
    source = f"{work}/pause.c"
    with open(source, "w") as file:
        file.write(PAUSE)
    output("gcc", "-Os", "-static", "-s", "-o", f"{work}/pause", source)
    image("registry.k8s.io/pause:3.10", {"pause": f"{work}/pause"}, {"Entrypoint": ["/pause"], "User": "65535:65535"})

ours = "registry.example.com"
nonroot = {"User": "65532:65532", "Entrypoint": ["/wrapper"]}
image(f"{ours}/wrapper:{VERSION}", {"wrapper": f"{DIST}/wrapper"}, nonroot)
image(f"{ours}/wrapper-slim:{VERSION}", {"wrapper": f"{DIST}/wrapper-slim"}, nonroot)
plugins = {name: f"{DIST}/plugins/{name}" for name in sorted(os.listdir(f"{DIST}/plugins")) if name.endswith(".wasm")}
image(f"{ours}/wrapper-plugins:{VERSION}", plugins, {})

busybox = {"bin/busybox": "/bin/busybox", "tmp": None, "etc/passwd": b"root:x:0:0::/:/bin/sh\nnonroot:x:65532:65532::/:/bin/sh\n"}
for applet in output("busybox", "--list").split():
    busybox.setdefault(f"bin/{applet}", ("busybox",))
path = {"Env": ["PATH=/bin"]}
image("docker.io/library/busybox:1.37", busybox, {**path, "Cmd": ["sh"]})
wrapped = {**busybox, "wrapper": f"{DIST}/wrapper", "my-job": MY_JOB}
image(f"{ours}/my-job:1", wrapped, {**path, "User": "65532:65532", "Entrypoint": ["/wrapper", "/my-job"]})

envoy = os.path.realpath(f"{TARGET}/tools/envoy/envoy")
sidecar = {library[1:]: library for library in re.findall(r"/lib\S*", output("ldd", envoy))}
for name in ("istio.yaml", "admin.yaml"):
    sidecar[name] = f"{ROOT}/examples/envoy/{name}"
run = ["/envoy", "-l", "error", "--concurrency", "1", "--disable-hot-restart"]
image(f"{ours}/envoy:1", {**sidecar, "envoy": envoy, "tmp": None}, {"User": "1337:1337", "Entrypoint": run, "Cmd": ["-c", "/istio.yaml"]})
