//! `doctor`: will this pod end? What keeps it, what is wrong with its settings, and the patch for that. It reads what `kubectl`
//! prints or a manifest has, and speaks with no cluster.
//!
//! [`input`] → [`subject`] → [`scene`] → [`rules`] → [`advice`] → [`tell`]

mod advice;
mod field;
mod finding;
mod input;
mod pod;
mod rules;
mod scene;
mod sidecar;
mod subject;
mod tell;
mod wrapped;
mod yaml;

use anyhow::{Result, bail};
use clap::Args;
use finding::{Level, Verdict};
use scene::Scene;
use std::{collections::BTreeSet, path::PathBuf};
use tell::Told;

/// Tell whether the pods of Jobs end, what keeps those that do not, and how to change that
///
/// Reads what `kubectl get job,pod -o json` prints, or manifests as YAML or JSON before they are applied. It asks no cluster. The
/// exit code is 1 if a pod does not end, may not end or has an error, or if the input cannot be read.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Files with objects of Kubernetes; `-` or none for stdin
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Only objects of this namespace; objects that name none are in it
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// Print it as one JSON object
    #[arg(long)]
    json: bool,

    /// Tell notes too, which need no change
    #[arg(long)]
    notes: bool,

    /// Print every kind of finding: its id, its level and what it means
    #[arg(long, exclusive = true)]
    list: bool,
}

impl Doctor {
    /// Prints what there is to say, and returns whether all pods end and none has an error.
    pub fn run(self) -> Result<bool> {
        if self.list {
            tell::kinds();
            return Ok(true);
        }
        if self.namespace.as_deref() == Some("") {
            bail!("-n has an empty name; write the namespace's, or leave -n out");
        }
        let objects = input::read(&self.files)?;
        let found = subject::find(&objects, self.namespace.as_deref());
        if found.subjects.is_empty() && found.skipped.is_empty() {
            bail!("{}", nothing(&found.others, self.namespace.as_deref()));
        }
        let told: Vec<_> = found.subjects.iter().map(look).collect();
        if self.json {
            tell::json(&told, &found.skipped);
        } else {
            tell::text(&told, &found.skipped, self.notes);
        }
        let is_well = |told: &Told| {
            told.verdict == Verdict::Ends && told.findings.iter().all(|finding| finding.kind.level != Level::Error)
        };
        Ok(told.iter().all(is_well))
    }
}

/// All that is to be told of a pod.
fn look(subject: &subject::Subject) -> Told<'_> {
    let scene = Scene::of(subject);
    let findings = rules::check(&scene);
    let verdict = findings.iter().map(|finding| finding.effect).max().unwrap_or_default();
    let advice = advice::of(&scene, &findings);
    Told { scene, verdict, findings, advice }
}

/// That there is no pod, and what there is.
fn nothing(others: &[String], namespace: Option<&str>) -> String {
    const EXPECTED: &str = "expected are Jobs, CronJobs, Pods, PodTemplates or Workflows";
    let kinds: BTreeSet<_> = others.iter().map(String::as_str).collect();
    let kinds: Vec<_> = kinds.into_iter().take(5).collect();
    let place = namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
    if kinds.is_empty() {
        format!("there is no pod{place} in what was given; {EXPECTED}")
    } else {
        format!("there is no pod{place} in what was given, but {}; {EXPECTED}", kinds.join(", "))
    }
}
