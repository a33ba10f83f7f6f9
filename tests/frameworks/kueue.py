"""That a Job for Kueue has Kueue's label, and what Kueue's source says of a Job's end and of preemption.

Arguments: the folder of the module sigs.k8s.io/kueue, and the file. Needs: kubernetes-validate, PyYAML.
"""

import pathlib
import re
import sys

import kubernetes_validate
import yaml

kueue, file = pathlib.Path(sys.argv[1]), sys.argv[2]
job = yaml.safe_load(open(file))
source = (kueue / "pkg/controller/constants/constants.go").read_text()
[label] = re.findall(r'QueueLabel += "(.+)"', source)
assert job["metadata"]["labels"].keys() == {label}, label
print("ok: its label is Kueue's:", label)

versions = [version.rsplit(".", 1)[0] for version in kubernetes_validate.utils.all_versions()]
for version in versions[versions.index("1.29") :]:
    kubernetes_validate.validate(job, version, strict=True)
print("ok: it fits the schemas of Kubernetes 1.29 to", versions[-1])


def body(name):
    """The text of a method of Kueue's Job."""
    text = (kueue / "pkg/controller/jobs/job/job_controller.go").read_text()
    return re.search(rf"^func \(j \*Job\) {name}\(.*?^}}", text, re.MULTILINE | re.DOTALL).group()


finished = body("Finished")
assert "batchv1.JobComplete" in finished and "batchv1.JobFailed" in finished and "containerStatuses" not in finished, finished
print("ok: a Job is finished for Kueue by its own conditions, not by those of a container")
stop = body("Stop")
assert "j.Suspend()" in stop and "Delete" not in stop and "GracePeriod" not in stop, stop
assert "ptr.To(true)" in body("Suspend") and "j.Spec.Suspend" in body("Suspend")
print("ok: Kueue stops a Job by its `suspend`, and deletes no pods of it")
assert "j.Status.Active != 0" in body("IsActive")
print("ok: a Job is active for Kueue while its status counts active pods")

pod, container = job["spec"]["template"]["spec"], job["spec"]["template"]["spec"]["containers"][0]
grace = next(variable["value"] for variable in container["env"] if variable["name"] == "WRAPPER_GRACE")
# The hooks together have 20 s after a SIGTERM.
assert int(grace.removesuffix("s")) + 20 < pod["terminationGracePeriodSeconds"]
print("ok: the job's and the hooks' time fit into the grace period")
