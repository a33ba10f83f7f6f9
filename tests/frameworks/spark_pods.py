"""What Spark makes of `spark-pod.yaml`: the driver's pod, the executors' pods, and what `spark-submit` waits for.

Spark itself is run, and an API server on loopback that keeps what it is sent. Arguments: the folder that has Spark's bin and jars,
and the template. Needs: Java 17 or newer, PyYAML, kubernetes-validate.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import urllib.parse
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import kubernetes_validate
import yaml

SPARK, TEMPLATE = (os.path.abspath(path) for path in sys.argv[1:3])
# Where the pods go, for an API server to judge, if a third argument names a folder.
OUTPUT = sys.argv[3] if len(sys.argv) > 3 else None
# Wherever Spark waits: far more than it takes on a slow machine.
LIMIT = 180
# What a person writes, except the address.
SETTINGS = [
    "spark.kubernetes.container.image=apache/spark:4.0.1",
    f"spark.kubernetes.driver.podTemplateFile={TEMPLATE}",
    "spark.kubernetes.driver.label.sidecar.istio.io/inject=true",
    "spark.kubernetes.driver.annotation.traffic.sidecar.istio.io/excludeInboundPorts=7078,7079",
    "spark.kubernetes.executor.label.sidecar.istio.io/inject=false",
]
IN_IMAGE = ["--class", "org.apache.spark.examples.SparkPi", "local:///opt/spark/examples/jars/spark-examples.jar"]
# A program among Spark's own jars that asks for executors.
HERE = ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]


class ApiServer(ThreadingHTTPServer):
    """As much of an API server as Spark needs: it takes all objects, and has the pods that `pods` names."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pods = {}
        self.created = queue.Queue()
        self.applied = {}
        self.deleted = []
        self.changed = queue.Queue()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def address(self):
        return f"k8s://http://127.0.0.1:{self.server_port}"

    def next_pod(self):
        return self.created.get(timeout=LIMIT)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, code, value):
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def watch(self):
        """Tells of each pod that changes, until Spark has enough of it."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            event = json.dumps({"type": "MODIFIED", "object": self.server.changed.get()}).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()

    def refuse(self, code):
        self.answer(code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code})

    def do_GET(self):
        path, _, query = self.path.partition("?")
        pods, name = self.server.pods, path.rsplit("/", 1)[1]
        if "watch=true" in query:
            # Of a WebSocket Spark falls back to a plain answer that does not end.
            self.refuse(503) if "Upgrade" in self.headers else self.watch()
        elif name == "pods":
            # Spark asks for its executors alone.
            self.answer(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": list(pods.values())})
        elif name in pods:
            self.answer(200, pods[name])
        else:
            self.refuse(404)

    def do_POST(self):
        value = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)))
        value["metadata"] |= {"uid": "5f0c7a3e-0000-4000-8000-000000000000", "resourceVersion": "1", "namespace": "default"}
        if value["kind"] == "Pod":
            self.server.created.put(value)
            self.server.pods[value["metadata"]["name"]] = value | {"status": {"phase": "Pending"}}
        self.server.applied[value["kind"], value["metadata"]["name"]] = value
        self.answer(201, value)

    do_PATCH = do_PUT = do_POST

    def do_DELETE(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.deleted.append(urllib.parse.unquote(self.path))
        self.answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})


@contextmanager
def spark_submit(server, mode, program, *settings):
    """Runs it, in a process group of its own that is killed in the end."""
    options = [word for setting in [*SETTINGS, *settings] for word in ("--conf", setting)]
    command = [f"{SPARK}/bin/spark-submit", "--master", server.address(), "--deploy-mode", mode, "--name", "pi"]
    own = {"SPARK_HOME": SPARK, "SPARK_LOCAL_IP": "127.0.0.1", "KUBECONFIG": "/dev/null"}
    run = subprocess.Popen(
        [*command, *options, *program],
        env=os.environ | own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield run
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def until(lines, word):
    """The lines up to the first that has this word."""
    for line in lines:
        yield line
        if word in line:
            return


def expect(is_so, what, value):
    if not is_so:
        sys.exit(f"not so: {what}: {json.dumps(value, indent=1, default=str)}")
    print(f"ok: {what}")


def check_pod(pod, role):
    """That a pod is Spark's, and its one container under the wrapper."""
    spec, template = pod["spec"], yaml.safe_load(open(TEMPLATE))["spec"]
    [container] = spec["containers"]
    [wanted] = template["containers"]
    expect(container["command"] == wanted["command"] == ["/wrapper-bin/wrapper", "/opt/entrypoint.sh"],
           f"the {role}'s command is the wrapper and Spark's entrypoint", container)
    expect(container["args"][0] == role, f"Spark adds `{role}` as the first argument", container)
    expect(all(variable in container["env"] for variable in wanted["env"]), f"the {role} has the template's variables", container)
    expect(any(mount["mountPath"] == "/wrapper-bin" for mount in container["volumeMounts"]), f"the {role} mounts the wrapper", container)
    expect(template["volumes"][0] in spec["volumes"], f"the {role}'s pod has the volume", spec)
    [install] = spec["initContainers"]
    expect(install["args"] == ["--install", "/wrapper-bin/wrapper"], f"the {role}'s pod installs the wrapper", install)
    expect(spec["restartPolicy"] == "Never", f"the {role}'s pod is not restarted", spec)
    kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod"} | pod, "1.37", strict=True)
    if OUTPUT:
        value = pod | {"metadata": {name: pod["metadata"][name] for name in ("name", "labels", "annotations") if name in pod["metadata"]}}
        with open(f"{OUTPUT}/spark-{role}.json", "w") as file:
            json.dump(value, file)


def driver():
    server = ApiServer()
    both = f"spark.kubernetes.executor.podTemplateFile={TEMPLATE}"
    with spark_submit(server, "cluster", IN_IMAGE, "spark.kubernetes.submission.waitAppCompletion=false", both) as run:
        pod = server.next_pod()
        _, log = run.communicate(timeout=LIMIT)
    expect(run.returncode == 0, "spark-submit without waitAppCompletion ends at once", log)
    check_pod(pod, "driver")
    ports = {port["name"]: port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}
    excluded = pod["metadata"]["annotations"]["traffic.sidecar.istio.io/excludeInboundPorts"]
    expect(excluded == f"{ports['driver-rpc-port']},{ports['blockmanager']}", "the executors reach the driver past its sidecar", pod)
    expect(pod["spec"]["terminationGracePeriodSeconds"] == 60, "the driver's grace is the template's", pod)
    expect(pod["metadata"]["labels"]["sidecar.istio.io/inject"] == "true", "the driver is in the mesh", pod)
    maps = [value["data"] for (kind, _), value in server.applied.items() if kind == "ConfigMap"]
    expect(any("/wrapper-bin/wrapper" in text for data in maps for text in data.values()),
           "the executors' template goes to the driver in a ConfigMap", maps)


def executor(*more):
    """The pod of an executor, and what is deleted when its driver ends."""
    server = ApiServer()
    mine = ["spark.driver.host=127.0.0.1", "spark.ui.enabled=false", "spark.executor.instances=1", "spark.connect.grpc.binding.port=0"]
    # Not to wait for executors that never come.
    mine += ["spark.scheduler.minRegisteredResourcesRatio=0"]
    with spark_submit(server, "client", HERE, *mine, *more) as run:
        pod = server.next_pod()
        log = list(until(run.stderr, "server started"))
        expect("server started" in log[-1], "the driver runs", log)
        run.terminate()
        run.communicate(timeout=LIMIT)
    expect(pod["metadata"]["labels"]["spark-role"] == "executor", "the pod is an executor's", pod)
    expect(pod["metadata"]["labels"]["sidecar.istio.io/inject"] == "false", "the executor is not in the mesh", pod)
    return pod, [path for path in server.deleted if "/pods" in path]


def executors():
    bare, deleted = executor()
    expect("command" not in bare["spec"]["containers"][0], "without a template an executor has the image's own entrypoint", bare)
    expect(any("spark-role=executor" in path for path in deleted), "a driver that ends deletes its executors' pods", deleted)

    template, grace = f"spark.kubernetes.executor.podTemplateFile={TEMPLATE}", "spark.kubernetes.executor.terminationGracePeriodSeconds"
    pod, _ = executor(template)
    check_pod(pod, "executor")
    expect(pod["spec"]["terminationGracePeriodSeconds"] == 30, "the executor's grace is not the template's", pod)
    pod, _ = executor(template, f"{grace}=60s")
    expect(pod["spec"]["terminationGracePeriodSeconds"] == 60, "but that of its setting", pod)


def waits_for_the_whole_pod(code):
    server = ApiServer()
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}

    def ended(code):
        return {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed"}}

    def status(phase, sidecar):
        states = {"spark": ended(code), "istio-proxy": sidecar}
        return {"phase": phase, "containerStatuses": [{"name": name, "state": state} for name, state in states.items()]}

    with spark_submit(server, "cluster", IN_IMAGE, "spark.kubernetes.report.interval=1s") as run:
        pod = server.next_pod()
        server.changed.put(pod | {"status": status("Running", running)})
        log, reports = [], 0
        for line in run.stderr:
            log.append(line)
            reports += "phase: Running" in line
            if reports == 5:
                break
        expect(reports == 5 and run.poll() is None, f"spark-submit waits for a sidecar, though the driver's container has ended with {code}", log)
        server.changed.put(pod | {"status": status("Failed" if code else "Succeeded", ended(0))})
        _, log = run.communicate(timeout=LIMIT)
    expect(f"exit code: {code}" in log, f"its log then has the driver's exit code {code}", log)
    expect(run.returncode == 0, "and its own is 0", run.returncode)


driver()
executors()
waits_for_the_whole_pod(0)
waits_for_the_whole_pod(7)
