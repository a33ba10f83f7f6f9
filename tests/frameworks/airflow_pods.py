"""What Airflow makes of `airflow_dag.py` and `airflow-pod.yaml`, and what it does about sidecars.

The provider's own code is run: the operator builds the pod, and its pod manager is given pods as a cluster would report them.
Arguments: the two files. Needs: apache-airflow-providers-cncf-kubernetes. No database, no cluster.
"""

import ast
import importlib.util
import json
import os
import pathlib
import sys
import tempfile
import types
from unittest import mock

folder = tempfile.TemporaryDirectory()
os.environ |= {"AIRFLOW_HOME": folder.name, "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__CORE__UNIT_TEST_MODE": "True"}

from airflow.providers.cncf.kubernetes import operators
from airflow.providers.cncf.kubernetes.operators.job import KubernetesJobOperator
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils import pod_manager
from airflow.sdk.exceptions import AirflowSkipException
from kubernetes.client import ApiClient
from kubernetes.client import models as k8s

EXAMPLE, TEMPLATE = (os.path.abspath(path) for path in sys.argv[1:3])
# Where the pods go, for an API server to judge, if a third argument names a folder.
OUTPUT = sys.argv[3] if len(sys.argv) > 3 else None
INJECTED = {"fieldRef": {"fieldPath": "metadata.annotations['sidecar.istio.io/status']"}}


def expect(is_so, what, value=None):
    if not is_so:
        sys.exit(f"not so: {what}: {value}")
    print(f"ok: {what}")


def plain(value):
    return ApiClient().sanitize_for_serialization(value)


def check_pod(pod, whole, command, arguments):
    """That the wrapper is the first word of the one container, and has what it needs."""
    spec = plain(pod)["spec"]
    [container] = spec["containers"]
    expect(container["name"] == "base", f"{whole}: one container, base", spec)
    expect((container["command"], container["args"]) == (command, arguments), f"{whole}: the wrapper comes first", container)
    variables = {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in container["env"]}
    expect(variables == {"HOOK_ISTIO_SIDECAR": INJECTED, "WRAPPER_PLUGIN_PATH": "istio-wait:istio-quit"}, f"{whole}: its variables", variables)
    expect([mount["mountPath"] for mount in container["volumeMounts"]] == ["/wrapper-bin"], f"{whole}: the mount", container)
    expect(spec["volumes"] == [{"name": "wrapper-bin", "emptyDir": {}}], f"{whole}: the volume", spec)
    [install] = spec["initContainers"]
    expect(install["args"] == ["--install", "/wrapper-bin/wrapper"] and "command" not in install, f"{whole}: the init container", install)
    expect(plain(pod)["metadata"]["labels"]["sidecar.istio.io/inject"] == "true", f"{whole}: the label", pod.metadata)
    expect(spec["terminationGracePeriodSeconds"] == 60, f"{whole}: the grace period", spec)
    expect(spec["restartPolicy"] == "Never", f"{whole}: a pod that fails is not restarted", spec)
    if OUTPUT:
        value = {"apiVersion": "v1", "kind": "Pod"} | plain(pod)
        value["metadata"] = {"name": whole.lower().replace(".", "-"), "labels": plain(pod)["metadata"]["labels"]}
        pathlib.Path(OUTPUT, f"{whole}.json").write_text(json.dumps(value))


def example():
    """The task of the example's DAG."""
    module = importlib.util.module_from_spec(spec := importlib.util.spec_from_file_location("example", EXAMPLE))
    spec.loader.exec_module(module)
    [task] = module.nightly().tasks
    return task


def operator(**more):
    return KubernetesPodOperator(task_id="my-job", namespace="default", image="busybox:1.37", **more)


def pods():
    check_pod(example().build_pod_request_obj(dry_run=True), "airflow_dag.py", ["/wrapper-bin/wrapper", "sh", "-c"], ["echo hello from busybox"])
    words = ["sh", "-c", "echo hello from busybox"]
    pod = operator(pod_template_file=TEMPLATE, arguments=words).build_pod_request_obj(dry_run=True)
    check_pod(pod, "airflow-pod.yaml", ["/wrapper-bin/wrapper"], words)
    pod = operator(pod_template_file=TEMPLATE, cmds=["sh"]).build_pod_request_obj(dry_run=True)
    expect(pod.spec.containers[0].command == ["sh"], "`cmds` takes the place of the template's command", pod.spec.containers)


def job():
    """The operator for a Job is made from the same settings."""
    task = KubernetesJobOperator(
        task_id="my-job", namespace="default", image="busybox:1.37", pod_template_file=TEMPLATE, arguments=["date"], backoff_limit=0
    )
    task.hook = mock.Mock(is_in_cluster=False)
    built = task.build_job_request_obj(context={})
    check_pod(k8s.V1Pod(metadata=built.spec.template.metadata, spec=built.spec.template.spec), "KubernetesJobOperator", ["/wrapper-bin/wrapper"], ["date"])


def reported(phase, sidecar, sidecar_code=None, base_code=0):
    """A pod whose job has ended, as a cluster reports it."""
    def ended(code):
        return k8s.V1ContainerState(terminated=k8s.V1ContainerStateTerminated(exit_code=code))
    states = {"base": ended(base_code), sidecar: k8s.V1ContainerState(running=k8s.V1ContainerStateRunning()) if sidecar_code is None else ended(sidecar_code)}
    return k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(name="my-job", namespace="default", labels={}),
        spec=k8s.V1PodSpec(containers=[k8s.V1Container(name=name) for name in states]),
        status=k8s.V1PodStatus(
            phase=phase,
            container_statuses=[k8s.V1ContainerStatus(name=name, state=state, ready=False, restart_count=0, image="", image_id="") for name, state in states.items()],
        ),
    )


class StillWaiting(Exception):
    pass


def outcome(pod, deferred=False, **more):
    """What the operator does after the job's end with this pod: `waits`, `succeeds` or `fails`, and whether it deletes the pod.

    In deferrable mode that is what it does when its trigger has seen the end of the container `base`.
    """
    task = operator(**more)
    api = mock.Mock()
    api.read_namespaced_pod.return_value = pod
    task.pod_manager = pod_manager.PodManager(kube_client=api)
    task.client = api
    # Asked again five times is as good as for ever.
    clock = mock.Mock(side_effect=[None] * 5 + [StillWaiting])
    with mock.patch.object(pod_manager.time, "sleep", clock):
        try:
            if deferred:
                task.pod = pod
                task._clean(event={"status": "success"}, result=None, context={})
                return "succeeds", api.delete_namespaced_pod.called
            last = task.pod_manager.await_pod_completion(pod, task.is_istio_enabled(pod), task.base_container_name, task.do_xcom_push)
            task.cleanup(pod=last, remote_pod=last)
            result = "succeeds"
        except StillWaiting:
            result = "waits"
        except AirflowSkipException:
            result = "is skipped"
        except Exception as error:
            assert "returned a failure" in str(error), error
            result = "fails"
    return result, api.delete_namespaced_pod.called


def sidecars():
    for whole, got, wanted in [
        ("a running istio-proxy: the task succeeds, and the pod is deleted", outcome(reported("Running", "istio-proxy")), ("succeeds", True)),
        ("a running istio-proxy under keep_pod: the task succeeds, and the pod stays", outcome(reported("Running", "istio-proxy"), on_finish_action="keep_pod"), ("succeeds", False)),
        ("a running linkerd-proxy: the task waits", outcome(reported("Running", "linkerd-proxy")), ("waits", False)),
        ("a running linkerd-proxy in deferrable mode: the task waits", outcome(reported("Running", "linkerd-proxy"), deferred=True), ("waits", False)),
        ("a running istio-proxy in deferrable mode: the task succeeds", outcome(reported("Running", "istio-proxy"), deferred=True), ("succeeds", True)),
        ("a running linkerd-proxy under do_xcom_push: the task succeeds, and the pod is deleted", outcome(reported("Running", "linkerd-proxy"), do_xcom_push=True), ("succeeds", True)),
        ("a linkerd-proxy that has ended: the task succeeds, and the pod is deleted", outcome(reported("Succeeded", "linkerd-proxy", 0)), ("succeeds", True)),
        ("an istio-proxy that ended with 1: the task succeeds", outcome(reported("Failed", "istio-proxy", 1)), ("succeeds", True)),
        ("another sidecar that ended with 1: the task fails", outcome(reported("Failed", "linkerd-proxy", 1)), ("fails", True)),
        ("a job that ended with 99 under skip_on_exit_code: the task is skipped", outcome(reported("Failed", "istio-proxy", 0, base_code=99), skip_on_exit_code=99), ("is skipped", True)),
        ("a job that ended with 7: the task fails", outcome(reported("Failed", "istio-proxy", 0, base_code=7)), ("fails", True)),
    ]:
        expect(got == wanted, whole, got)
    calls = []
    for file in pathlib.Path(operators.__file__).parent.parent.rglob("*.py"):
        nodes = ast.walk(ast.parse(file.read_text()))
        calls += [file.name for node in nodes if isinstance(node, ast.Attribute) and node.attr == "kill_istio_sidecar"]
    expect(calls == [], "nothing in the provider calls kill_istio_sidecar", calls)


def deletion():
    task = operator(termination_grace_period=60)
    task.client, task.pod = mock.Mock(), reported("Running", "istio-proxy")
    task.on_kill()
    asked = task.client.delete_namespaced_pod.call_args.kwargs
    expect(asked["grace_period_seconds"] == 60, "a task that is killed deletes its pod, with its grace period", asked)


pods()
job()
sidecars()
deletion()
