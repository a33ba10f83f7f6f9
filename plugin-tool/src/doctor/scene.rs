//! Who is who in a pod: the jobs, those of them that are wrapped, and the sidecars.

use super::{
    pod::{Container, Value},
    sidecar::Sidecar,
    subject::Subject,
    wrapped::Wrapped,
};
use wrapper::plugin::{PluginSpec, own_variable};
use wrapper_guest_build::table::Call;

/// Airflow reads a task's result from it, and ends it.
const AIRFLOWS_OWN: &str = "airflow-xcom-sidecar";

/// The containers of a pod by what they are.
pub struct Scene<'a> {
    pub subject: &'a Subject,
    pub wrapped: Vec<Wrapped<'a>>,
    /// Jobs that are not wrapped.
    pub others: Vec<&'a Container>,
    pub sidecars: Vec<Sidecar<'a>>,
}

impl<'a> Scene<'a> {
    /// A wrapped container is a job, whatever it is called. So is any that is not known as a sidecar.
    pub fn of(subject: &'a Subject) -> Self {
        let pod = &subject.pod;
        let wrapped: Vec<_> = pod.containers.iter().filter_map(|container| Wrapped::of(container, pod)).collect();
        let is_wrapped = |name: &str| wrapped.iter().any(|wrapped| wrapped.container.name == name);
        let mut sidecars = Sidecar::all(subject);
        sidecars.retain(|sidecar| sidecar.container.is_none_or(|own| !is_wrapped(&own.name)));
        let is_sidecar = |sidecars: &[Sidecar], name: &str| {
            sidecars.iter().any(|sidecar| sidecar.container.is_some_and(|own| own.name == name))
        };
        let is_other = |container: &&Container| {
            container.name != AIRFLOWS_OWN && !is_wrapped(&container.name) && !is_sidecar(&sidecars, &container.name)
        };
        let mut others: Vec<_> = pod.containers.iter().filter(is_other).collect();
        // A pod that runs one of those programs as its job, such as Vault's command line.
        if wrapped.is_empty() && others.is_empty() {
            let is_job = |sidecar: &Sidecar| {
                let name = sidecar.container.map_or("", |own| &own.name);
                !sidecar.is_native
                    && sidecar.container.is_some()
                    && !sidecar.marks.containers.first().is_some_and(|own| *own == name && sidecar.is_injected())
            };
            if let Some(at) = sidecars.iter().position(is_job) {
                others.extend(sidecars.remove(at).container);
            }
        }
        Self { subject, wrapped, others, sidecars }
    }

    /// Those that keep the pod until they are asked to quit.
    pub fn plain(&self) -> impl Iterator<Item = &Sidecar<'a>> {
        self.sidecars.iter().filter(|sidecar| !sidecar.is_native)
    }

    /// The hooks that ask this sidecar to quit, and the containers that have them.
    pub fn quits<'b>(&'b self, sidecar: &'b Sidecar<'a>) -> impl Iterator<Item = (&'b Wrapped<'a>, &'b PluginSpec)> {
        let of = move |wrapped: &'b Wrapped<'a>| {
            wrapped
                .plugins()
                .iter()
                .filter(move |plugin| quits(wrapped, plugin, sidecar))
                .map(move |plugin| (wrapped, plugin))
        };
        self.wrapped.iter().flat_map(of)
    }

    /// Whether all jobs of a pod in a cluster have ended.
    pub fn is_over(&self) -> bool {
        let mut jobs = self.jobs().peekable();
        jobs.peek().is_some() && jobs.all(|job| job.state.is_terminated())
    }

    /// All jobs, the wrapped ones first.
    pub fn jobs(&self) -> impl Iterator<Item = &'a Container> {
        self.wrapped.iter().map(|wrapped| wrapped.container).chain(self.others.iter().copied())
    }
}

/// The variable that sets the URL of a plugin: `HOOK_ISTIO_QUIT_URL`.
pub fn url_variable(plugin: &str) -> String {
    let kind = plugin.rsplit('-').next().unwrap_or_default().to_uppercase();
    format!("{}_{kind}_URL", own_variable(plugin).trim_end_matches("_SIDECAR"))
}

/// The ports on which a sidecar takes the request to quit, as the table has them.
pub fn ports(call: &Call) -> impl Iterator<Item = u16> {
    [call.port].into_iter().chain(call.or.map(|(port, _)| port))
}

/// By its name, or by a URL with a port of the sidecar.
fn quits(wrapped: &Wrapped, plugin: &PluginSpec, sidecar: &Sidecar) -> bool {
    let name = plugin.source.name();
    let Some(row) = name.strip_suffix("-quit") else { return false };
    if sidecar.marks.rows.contains(&row) {
        return true;
    }
    let Some(Value::Text(url)) = wrapped.container.variable(&url_variable(&name)) else { return false };
    let known = sidecar.quit().into_iter().flat_map(|(_, call)| ports(call));
    let own = sidecar.container.map(|own| own.ports.as_slice()).unwrap_or_default();
    known.chain(own.iter().copied()).any(|port| has_port(url, port))
}

/// Whether one of these URLs has the port.
pub fn has_port(urls: &str, port: u16) -> bool {
    urls.split([',', ' ']).any(|url| {
        let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        authority.rsplit(':').next().and_then(|text| text.parse::<u16>().ok()).unwrap_or(80) == port
    })
}
