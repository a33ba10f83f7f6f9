"""The pods of a workflow that GitHub's container hooks would make with `github-runner.yaml`.

The hooks are in no package registry: this merges by the rules of their ADR 0134, written anew from its text, and the pods that it
merges into have the shape that the hooks' source shows. Arguments: the file. Needs: kubernetes-validate, PyYAML.
"""

import copy
import json
import sys

import kubernetes_validate
import yaml

template = yaml.safe_load(open(sys.argv[1]))
APPENDED = {"env", "volumeMounts", "ports"}


def own_pod():
    """The job's pod before the template: the container does nothing, and the steps are run in it by exec."""
    mounts = [{"name": "externals", "mountPath": "/__e"}, {"name": "github", "mountPath": "/github"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "runner-workflow", "labels": {"runner-pod": "runner"}, "annotations": {}},
        "spec": {
            "restartPolicy": "Never",
            "initContainers": [{"name": "fs-init", "image": "busybox:1.37", "command": ["true"]}],
            "containers": [
                {
                    "name": "job",
                    "image": "busybox:1.37",
                    "command": ["tail"],
                    "args": ["-f", "/dev/null"],
                    "env": [{"name": "CI", "value": "true"}],
                    "volumeMounts": mounts,
                }
            ],
            "volumes": [{"name": "externals", "emptyDir": {}}, {"name": "github", "emptyDir": {}}],
        },
    }


def merged(template):
    template, pod = copy.deepcopy(template), own_pod()
    for field in ("labels", "annotations"):
        pod["metadata"][field] |= template.get("metadata", {}).get(field, {})
    for field, value in template.get("spec", {}).items():
        if field == "volumes":
            pod["spec"]["volumes"] += value
        elif field == "containers":
            for container in value:
                name = container.pop("name")
                if not name.startswith("$"):
                    pod["spec"]["containers"].append({"name": name} | container)
                elif name == "$job":
                    container.pop("image", None)
                    job = pod["spec"]["containers"][0]
                    for key, part in container.items():
                        job[key] = job.get(key, []) + part if key in APPENDED else part
        else:
            pod["spec"][field] = value
    return pod


pod = merged(template)
kubernetes_validate.validate(pod, "1.37", strict=True)
[job] = pod["spec"]["containers"]
assert (job["command"], job["args"]) == (["tail"], ["-f", "/dev/null"]), job
assert pod["spec"]["initContainers"][0]["name"] == "fs-init"
print("ok: the job's container is the hooks' own")
if len(sys.argv) > 2:
    # Where the pod goes, for an API server to judge.
    with open(f"{sys.argv[2]}/github-runner.json", "w") as file:
        json.dump(pod, file)
variables = {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in job["env"]}
assert variables["HOOK_ISTIO_SIDECAR"] == {"fieldRef": {"fieldPath": "metadata.annotations['sidecar.istio.io/status']"}}
assert variables["WRAPPER_PLUGIN_PATH"] == "istio-wait" and variables["WRAPPER_SUBREAPER"] == "true" and variables["CI"] == "true"
print("ok: with the variables for steps that run the wrapper, of which none quits the sidecar")
assert pod["metadata"]["labels"] == {"runner-pod": "runner", "sidecar.istio.io/inject": "true"}
assert yaml.safe_load(pod["metadata"]["annotations"]["proxy.istio.io/config"]) == {"holdApplicationUntilProxyStarts": True}
print("ok: in a pod that has the sidecar, and starts the job's container after it")

# The traps that the page names.
install = template | {"spec": template["spec"] | {"initContainers": [{"name": "wrapper-install"}]}}
assert [one["name"] for one in merged(install)["spec"]["initContainers"]] == ["wrapper-install"]
print("ok: an init container of the template takes the place of the hooks' own")
command = template | {"spec": {"containers": [{"name": "$job", "command": ["/wrapper"]}]}}
[job] = merged(command)["spec"]["containers"]
assert job["command"] == ["/wrapper"] and job["args"] == ["-f", "/dev/null"]
print("ok: a command of the template takes the place of `tail`, but its arguments stay")
