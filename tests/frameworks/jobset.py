"""Puts a JobSet to JobSet's own types, where a field that they do not have is an error, and its Jobs to Kubernetes' schemas.

Arguments: the file. Needs: kubeflow-trainer-api, which has JobSet's types; kubernetes-validate; PyYAML.
"""

import copy
import json
import sys

import kubernetes_validate
import yaml
from kubeflow_trainer_api.models.jobset_v1alpha2_job_set import JobsetV1alpha2JobSet
from pydantic import ValidationError

jobset = yaml.safe_load(open(sys.argv[1]))
JobsetV1alpha2JobSet.model_validate(jobset, extra="forbid", by_alias=True, by_name=False)
print("ok: JobSet's types know each field")

for path, name, wrong in [
    (["spec"], "successPolicy", "successPolicies"),
    (["spec", "successPolicy"], "targetReplicatedJobs", "targetReplicatedJob"),
    (["spec", "replicatedJobs", 0, "template", "spec", "template", "spec", "containers", 0], "command", "commands"),
]:
    misspelt = copy.deepcopy(jobset)
    holder = misspelt
    for step in path:
        holder = holder[step]
    holder[wrong] = holder.pop(name)
    try:
        JobsetV1alpha2JobSet.model_validate(misspelt, extra="forbid", by_alias=True, by_name=False)
    except ValidationError as error:
        assert wrong in str(error), error
    else:
        sys.exit(f"not so: {wrong} is an error")
print("ok: and no others")

versions = [version.rsplit(".", 1)[0] for version in kubernetes_validate.utils.all_versions()]
wrapped = []
for replicated in jobset["spec"]["replicatedJobs"]:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": f"jobset-{replicated['name']}-0"}} | replicated["template"]
    for version in versions[versions.index("1.29") :]:
        kubernetes_validate.validate(job, version, strict=True)
    [container] = job["spec"]["template"]["spec"]["containers"]
    if len(sys.argv) > 2:
        # Where the Jobs go, for an API server to judge.
        with open(f"{sys.argv[2]}/{job['metadata']['name']}.json", "w") as file:
            json.dump(job, file)
    if container["command"][0].endswith("/wrapper"):
        wrapped.append(replicated["name"])
print("ok: each of its Jobs fits the schemas of Kubernetes 1.29 to", versions[-1])

assert wrapped == jobset["spec"]["successPolicy"]["targetReplicatedJobs"], wrapped
print("ok: the Jobs that count for success are those under the wrapper:", *wrapped)
