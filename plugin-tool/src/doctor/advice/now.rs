//! How to end the pod that hangs now.

use crate::doctor::{
    finding::{Finding, Verdict},
    scene::Scene,
};

/// The port of the reader's machine.
const LOCAL: u16 = 41520;

/// Lines that end what keeps a pod in a cluster whose job is over.
pub fn now(scene: &Scene, findings: &[Finding]) -> Vec<String> {
    let subject = scene.subject;
    let kept: Vec<_> = findings
        .iter()
        .filter(|finding| finding.kind.id == "keeps-pod" && finding.effect == Verdict::DoesNotEnd)
        .filter_map(|finding| finding.container.as_deref())
        .collect();
    // What is no name of Kubernetes is not to be pasted into a shell.
    let is_name = |text: &str| {
        !text.is_empty()
            && !text.starts_with('-')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
    };
    if kept.is_empty() || subject.kind != "Pod" || !is_name(&subject.name) {
        return Vec::new();
    }
    let namespace = subject
        .namespace
        .as_deref()
        .filter(|namespace| is_name(namespace))
        .map(|namespace| format!(" -n {namespace}"))
        .unwrap_or_default();
    let is_closed = |name: &str| {
        findings.iter().any(|finding| {
            matches!(finding.kind.id, "no-endpoint" | "endpoint-off") && finding.container.as_deref() == Some(name)
        })
    };
    let asked = |name: &&str| {
        let sidecar = scene.plain().find(|sidecar| sidecar.name() == *name && !is_closed(name))?;
        let (_, call) = sidecar.quit()?;
        let port = sidecar.port(subject).unwrap_or(call.port);
        let header = call.header.map(|(name, value)| format!(" -H '{name}: {value}'")).unwrap_or_default();
        // Only this port-forward is asked, and only it is ended: another program may have the port.
        Some([
            format!("kubectl{namespace} port-forward pod/{} {LOCAL}:{port} & forward=$!", subject.name),
            format!(
                "sleep 3; kill -0 $forward && curl -X {}{header} http://localhost:{LOCAL}{}; kill $forward",
                call.method, call.path
            ),
        ])
    };
    let asked: Option<Vec<_>> = kept.iter().map(asked).collect();
    // If one of them takes no request, the pod has to go.
    asked.map(|lines| lines.into_iter().flatten().collect()).unwrap_or_else(|| {
        match subject.job.as_deref().filter(|job| is_name(job)) {
            Some(job) => vec![
                "# A Job whose pod is deleted runs it again, so delete the Job. Save its logs first.".to_owned(),
                format!("kubectl{namespace} delete job {job}"),
            ],
            None => vec![format!("kubectl{namespace} delete pod {}", subject.name)],
        }
    })
}
