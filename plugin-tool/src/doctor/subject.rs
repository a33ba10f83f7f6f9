//! The pods in what was given: those of a cluster, and those that a Job or the like would make.

use super::{
    field::{at, list, map, number, text, texts},
    pod::{Label, Pod},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A pod, or the template of one.
#[derive(Debug)]
pub struct Subject {
    pub kind: String,
    pub namespace: Option<String>,
    pub name: String,
    /// Of a workflow, the template in question.
    pub part: Option<String>,
    /// The kind and the name of what made the pod.
    pub owner: Option<(String, String)>,
    /// The Job that made the pod.
    pub job: Option<String>,
    /// What the label makes of it by which the cluster's policies add the wrapper.
    pub label: Label,
    /// The fields that lead to the pod's template.
    pub path: &'static [&'static str],
    pub pod: Pod,
    /// What the namespace has, if it was given too: an injector reads that.
    pub namespace_marks: BTreeMap<String, String>,
    /// The oldest kubelet of the nodes, as the minor version of 1.x, if nodes were given too.
    pub oldest_kubelet: Option<u32>,
}

/// Something that has pods, of which nothing can be asked here.
#[derive(Debug)]
pub struct Skipped {
    pub kind: String,
    pub namespace: Option<String>,
    pub name: String,
    pub why: &'static str,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    pub subjects: Vec<Subject>,
    pub skipped: Vec<Skipped>,
    /// Kinds that have no pods, for the sentence that there are none.
    pub others: Vec<String>,
}

const FOREVER: &str = "it never ends, by design";
const BY_DEFAULT: &str = "it has no restartPolicy, so it is always restarted; set restartPolicy: Never if it is to end";
const ENDED_BY_THE_SET: &str = "the JobSet deletes it at its end, as it does not count for success";
/// Why the template of a Job has no verdict.
pub const BY_ITS_PODS: &str = "its pods tell";

impl Subject {
    /// Whether the kubelet, or the Job's controller, says that it has ended.
    pub fn has_ended(&self) -> bool {
        matches!(self.pod.phase.as_deref(), Some("Succeeded" | "Failed"))
    }
}

/// Finds them. With a namespace, objects of others are left out, and those without one are in it.
pub fn find(objects: &[Value], namespace: Option<&str>) -> Found {
    let mut found = Found::default();
    for object in objects {
        let kind = text(object, "kind").unwrap_or_default();
        let metadata = &object["metadata"];
        let own = text(metadata, "namespace").filter(|own| !own.is_empty());
        if kind != "Namespace" && namespace.is_some() && own.is_some() && own.as_deref() != namespace {
            continue;
        }
        let namespace = own.or(namespace.map(str::to_owned));
        let name = text(metadata, "name").or_else(|| text(metadata, "generateName")).unwrap_or_default();
        // The policies have seen a pod that is in a cluster.
        let is_there = kind == "Pod" && object["status"].is_object();
        let subject = |path: &'static [&'static str], template: &Value| {
            let (pod, mut label) = if is_there { (Pod::of(template), Label::None) } else { Pod::of_template(template) };
            if label == Label::None && !path.is_empty() && Label::is_on(object) {
                label = Label::Misplaced;
            }
            Subject {
                kind: kind.clone(),
                namespace: namespace.clone(),
                name: name.clone(),
                part: None,
                owner: owner(metadata),
                job: owner(metadata).filter(|(kind, _)| kind == "Job").map(|(_, name)| name),
                label,
                path,
                pod,
                namespace_marks: BTreeMap::new(),
                oldest_kubelet: None,
            }
        };
        let skipped = |why| Skipped { kind: kind.clone(), namespace: namespace.clone(), name: name.clone(), why };
        match kind.as_str() {
            "Pod" => {
                let pod = subject(&[], object);
                if pod.pod.restart_policy == "Always" {
                    let is_said = object["spec"]["restartPolicy"].is_string();
                    found.skipped.push(skipped(if is_said { FOREVER } else { BY_DEFAULT }));
                } else {
                    found.subjects.push(pod);
                }
            }
            "Job" => found.subjects.push(job(subject(JOB, at(object, JOB)), object)),
            "CronJob" => {
                let job_template = at(object, &["spec", "jobTemplate"]);
                found.subjects.push(job(subject(CRON_JOB, at(object, CRON_JOB)), job_template));
            }
            "JobSet" => {
                for replicated in list(&object["spec"], "replicatedJobs") {
                    let template = &replicated["template"];
                    let part = text(replicated, "name");
                    if !is_waited_for(&object["spec"], part.as_deref().unwrap_or_default()) {
                        let name = format!("{name}, template {}", part.unwrap_or_default());
                        found.skipped.push(Skipped { name, ..skipped(ENDED_BY_THE_SET) });
                        continue;
                    }
                    found.subjects.push(job(Subject { part, ..subject(&[], at(template, JOB)) }, template));
                }
            }
            "PodTemplate" => found.subjects.push(subject(&["template"], &object["template"])),
            "Workflow" | "WorkflowTemplate" | "ClusterWorkflowTemplate" | "CronWorkflow" => {
                let spec = if kind == "CronWorkflow" { at(object, &["spec", "workflowSpec"]) } else { &object["spec"] };
                for template in list(spec, "templates") {
                    if let Some(pod) = workflow_pod(spec, template) {
                        found.subjects.push(Subject { part: text(template, "name"), ..subject(&[], &pod) });
                    }
                }
            }
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" => {
                found.skipped.push(skipped(FOREVER));
            }
            // What makes pods in the manner of a Job, whatever it is.
            _ if makes_jobs(object) => found.subjects.push(subject(JOB, at(object, JOB))),
            other if ["Job", "CronJob", "Pod", "List"].iter().any(|known| other.eq_ignore_ascii_case(known)) => {
                found.others.push(format!("an object of kind {kind}, which Kubernetes writes otherwise"));
            }
            _ => found.others.push(if kind.is_empty() { "an object without a kind".to_owned() } else { kind }),
        }
    }
    let is_empty = |subject: &Subject| subject.pod.containers.is_empty();
    found.others.extend(
        found
            .subjects
            .iter()
            .filter(|subject| is_empty(subject))
            .map(|subject| format!("{} without containers", subject.kind)),
    );
    found.subjects.retain(|subject| !is_empty(subject));
    by_their_pods(&mut found);
    let namespaces: Vec<_> = objects.iter().filter(|object| object["kind"] == "Namespace").collect();
    let oldest_kubelet = objects.iter().filter(|object| object["kind"] == "Node").filter_map(kubelet).min();
    for subject in &mut found.subjects {
        subject.oldest_kubelet = oldest_kubelet;
        let own = namespaces.iter().find(|object| object["metadata"]["name"].as_str() == subject.namespace.as_deref());
        if let Some(own) = own.filter(|_| subject.namespace.is_some()) {
            subject.namespace_marks = map(&own["metadata"], "annotations");
            subject.namespace_marks.extend(map(&own["metadata"], "labels"));
        }
    }
    found
}

/// The fields of a Job that lead to its pod's template.
pub const JOB: &[&str] = &["spec", "template"];
/// The same of a CronJob.
pub const CRON_JOB: &[&str] = &["spec", "jobTemplate", "spec", "template"];

/// A Job's own deadline ends its pods as the pod's would.
fn job(mut subject: Subject, job: &Value) -> Subject {
    let own = number(&job["spec"], "activeDeadlineSeconds");
    subject.pod.deadline_seconds = subject.pod.deadline_seconds.or(own);
    let is_complete = |condition: &Value| condition["type"] == "Complete" && condition["status"] == "True";
    if list(&job["status"], "conditions").any(is_complete) {
        subject.pod.phase = Some("Succeeded".to_owned());
    }
    subject
}

/// A pod that is there tells more than the template of its Job, which goes without a verdict then.
fn by_their_pods(found: &mut Found) {
    let is_left = |subject: &&Subject| subject.kind == "Pod" && !subject.has_ended();
    let owner = |pod: &Subject| pod.owner.clone().map(|(kind, name)| (kind, pod.namespace.clone(), name));
    // What is to be changed is what made the Job.
    let made: BTreeMap<_, _> = found
        .subjects
        .iter()
        .filter(|job| job.kind == "Job")
        .filter_map(|job| Some(((job.namespace.clone(), job.name.clone()), job.owner.clone()?)))
        .collect();
    let owners: BTreeSet<_> = found.subjects.iter().filter(is_left).filter_map(owner).collect();
    found.subjects.retain(|subject| {
        let is_told = owners.contains(&(subject.kind.clone(), subject.namespace.clone(), subject.name.clone()));
        if is_told {
            let Subject { kind, namespace, name, .. } = subject;
            found.skipped.push(Skipped {
                kind: kind.clone(),
                namespace: namespace.clone(),
                name: name.clone(),
                why: BY_ITS_PODS,
            });
        }
        !is_told
    });
    for pod in found.subjects.iter_mut().filter(|subject| subject.kind == "Pod") {
        let job =
            pod.owner.as_ref().filter(|(kind, _)| kind == "Job").map(|(_, name)| (pod.namespace.clone(), name.clone()));
        if let Some(owner) = job.and_then(|job| made.get(&job)) {
            pod.owner = Some(owner.clone());
        }
    }
}

/// Whether it has the template of pods that end.
fn makes_jobs(object: &Value) -> bool {
    matches!(at(object, JOB)["spec"]["restartPolicy"].as_str(), Some("OnFailure" | "Never"))
}

/// Whether a JobSet, or a Job of it, waits for the end of this one's pods.
fn is_waited_for(spec: &Value, name: &str) -> bool {
    let targets = texts(&spec["successPolicy"], "targetReplicatedJobs");
    let depends = |job: &Value| list(job, "dependsOn").any(|on| on["name"] == name && on["status"] == "Complete");
    targets.is_empty() || targets.iter().any(|target| target == name) || list(spec, "replicatedJobs").any(depends)
}

/// The kubelet's version of a node: 36 of `v1.36.2`.
fn kubelet(node: &Value) -> Option<u32> {
    let version = node["status"]["nodeInfo"]["kubeletVersion"].as_str()?.strip_prefix("v1.")?;
    version.split(|end: char| !end.is_ascii_digit()).next()?.parse().ok()
}

fn owner(metadata: &Value) -> Option<(String, String)> {
    let owner = list(metadata, "ownerReferences").next()?;
    Some((text(owner, "kind")?, text(owner, "name")?))
}

/// The pod that Argo makes of a template, as far as it is written there. Argo ends the sidecars of the template itself.
fn workflow_pod(spec: &Value, template: &Value) -> Option<Value> {
    let mut main =
        ["container", "script"].into_iter().map(|name| &template[name]).find(|main| main.is_object())?.clone();
    main["name"] = "main".into();
    let both = |name: &str| -> Vec<Value> { list(spec, name).chain(list(template, name)).cloned().collect() };
    let mut metadata = serde_json::Map::new();
    for name in ["labels", "annotations"] {
        let mut marks = map(&spec["podMetadata"], name);
        marks.extend(map(&template["metadata"], name));
        metadata.insert(name.to_owned(), serde_json::json!(marks));
    }
    let security = [template, spec].into_iter().map(|value| &value["securityContext"]).find(|value| value.is_object());
    Some(serde_json::json!({
        "metadata": metadata,
        "spec": {
            "restartPolicy": "Never",
            "volumes": both("volumes"),
            "initContainers": both("initContainers"),
            "containers": [main],
            "securityContext": security,
            "activeDeadlineSeconds": template["activeDeadlineSeconds"],
        },
    }))
}
