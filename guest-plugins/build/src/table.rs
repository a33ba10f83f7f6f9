//! What is known of each sidecar: how it is asked to quit and whether it is ready, and what its answers mean.
//!
//! The build reads this too, for the names of the built-in plugins, and a test, for the page in the docs. So it is data and
//! nothing else.

/// A sidecar, or one of its servers.
pub struct Sidecar {
    /// The plugins are called by this: `istio` has `istio-quit` and `istio-wait`.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Where this is from.
    pub source: &'static str,
    /// How it is asked to quit.
    pub quit: Option<Call>,
    /// How it is asked whether it is ready.
    pub wait: Option<Call>,
}

/// A request to a sidecar, which any status from 200 to 299 grants.
pub struct Call {
    /// `POST`.
    pub method: &'static str,
    /// On localhost.
    pub port: u16,
    /// Begins with `/`.
    pub path: &'static str,
    /// A field that it must have.
    pub header: Option<(&'static str, &'static str)>,
    /// A field whose value is a secret, and the variable that has it.
    pub token: Option<(&'static str, &'static str)>,
    /// Whether the sidecar answers only when it is ready, so that an answer may take as long as the hook may.
    pub blocks: bool,
    /// What a status says that is none of those, and what to change.
    pub hints: &'static [(u16, &'static str)],
}

impl Call {
    const fn new(method: &'static str, port: u16, path: &'static str) -> Self {
        Self { method, port, path, header: None, token: None, blocks: false, hints: &[] }
    }

    const fn hints(self, hints: &'static [(u16, &'static str)]) -> Self {
        Self { hints, ..self }
    }
}

const fn quit(port: u16, path: &'static str) -> Call {
    Call::new("POST", port, path)
}

const fn ready(port: u16, path: &'static str) -> Call {
    Call::new("GET", port, path)
}

const NOT_LOOPBACK: (u16, &str) =
    (403, "it takes this from its own host only; the job must share the sidecar's network namespace");
const ENVOY_DRAINS: (u16, &str) = (503, "it has no configuration yet, or its health check was made to fail");
const DAPR_TOKEN: (u16, &str) = (401, "its API has a token; give it as HOOK_DAPR_API_TOKEN");
const NEEDS_QUIT: &[(u16, &str)] = &[(404, "its quit endpoint is off; start the proxy with --quitquitquit")];
const NEEDS_HEALTH: &[(u16, &str)] =
    &[(404, "its health checks are off; start the proxy with --health-check"), (503, "it has no connection yet")];

/// All of them, in alphabetical order.
pub const SIDECARS: &[Sidecar] = &[
    Sidecar {
        name: "alloydb",
        title: "AlloyDB Auth Proxy",
        source: "https://github.com/GoogleCloudPlatform/alloydb-auth-proxy",
        quit: Some(quit(9091, "/quitquitquit").hints(NEEDS_QUIT)),
        wait: Some(ready(9090, "/startup").hints(NEEDS_HEALTH)),
    },
    Sidecar {
        name: "cloudsql",
        title: "Cloud SQL Auth Proxy",
        source: "https://github.com/GoogleCloudPlatform/cloud-sql-proxy",
        quit: Some(quit(9091, "/quitquitquit").hints(NEEDS_QUIT)),
        wait: Some(ready(9090, "/startup").hints(NEEDS_HEALTH)),
    },
    Sidecar {
        name: "consul",
        title: "Consul dataplane",
        source: "https://developer.hashicorp.com/consul/docs/reference/dataplane/cli",
        quit: Some(quit(20300, "/graceful_shutdown")),
        wait: Some(Call { blocks: true, ..ready(20300, "/graceful_startup") }),
    },
    Sidecar {
        name: "dapr",
        title: "Dapr",
        source: "https://docs.dapr.io/reference/api/health_api/",
        quit: Some(
            Call { token: Some(("dapr-api-token", "HOOK_DAPR_API_TOKEN")), ..quit(3500, "/v1.0/shutdown") }
                .hints(&[DAPR_TOKEN]),
        ),
        wait: Some(
            Call { token: Some(("dapr-api-token", "HOOK_DAPR_API_TOKEN")), ..ready(3500, "/v1.0/healthz/outbound") }
                .hints(&[DAPR_TOKEN, (500, "its components are not initialised")]),
        ),
    },
    Sidecar {
        name: "envoy",
        title: "Envoy",
        source: "https://www.envoyproxy.io/docs/envoy/latest/operations/admin",
        quit: Some(quit(9901, "/quitquitquit")),
        wait: Some(ready(9901, "/ready").hints(&[ENVOY_DRAINS])),
    },
    Sidecar {
        name: "istio",
        title: "Istio",
        source: "https://github.com/istio/istio/blob/master/pilot/cmd/pilot-agent/status/server.go",
        quit: Some(quit(15020, "/quitquitquit").hints(&[NOT_LOOPBACK])),
        wait: Some(ready(15021, "/healthz/ready").hints(&[(503, "its Envoy is not ready yet")])),
    },
    Sidecar {
        name: "istio-envoy",
        title: "Envoy under Istio",
        source: "https://istio.io/latest/docs/ops/deployment/application-requirements/",
        quit: Some(quit(15000, "/quitquitquit")),
        wait: Some(ready(15000, "/ready").hints(&[ENVOY_DRAINS])),
    },
    Sidecar {
        name: "kuma",
        title: "Kuma before 2.14",
        source: "https://kuma.io/docs/",
        quit: Some(quit(9901, "/quitquitquit")),
        wait: Some(ready(9902, "/ready").hints(&[(503, "its Envoy is not ready yet")])),
    },
    Sidecar {
        name: "linkerd",
        title: "Linkerd",
        source: "https://linkerd.io/2/tasks/graceful-shutdown/",
        quit: Some(quit(4191, "/shutdown").hints(&[
            NOT_LOOPBACK,
            (
                404,
                "its shutdown endpoint is off; annotate the pod with config.linkerd.io/proxy-admin-shutdown: enabled, or \
                 set proxy.enableShutdownEndpoint=true in its Helm chart",
            ),
        ])),
        wait: Some(ready(4191, "/ready").hints(&[(503, "it has no identity or no control plane yet")])),
    },
    Sidecar {
        name: "vault",
        title: "Vault Agent",
        source: "https://developer.hashicorp.com/vault/docs/agent-and-proxy/agent#quit",
        quit: Some(Call { header: Some(("X-Vault-Request", "true")), ..quit(8200, "/agent/v1/quit") }.hints(&[
            (404, "its quit endpoint is off; annotate the pod with vault.hashicorp.com/agent-enable-quit: \"true\", or set agent_api { enable_quit = true } in the listener of its configuration"),
            (412, "it misses the header X-Vault-Request, which this plugin sends; what stands between the two may have dropped it"),
        ])),
        wait: None,
    },
];

/// The generic pair, whose URLs and the like are the user's.
pub const HTTP: Sidecar =
    Sidecar { name: "http", title: "the server", source: "", quit: Some(quit(80, "/")), wait: Some(ready(80, "/")) };

/// A plugin that this component can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Before the job starts, it waits until the sidecar is ready.
    Wait,
    /// When the job has ended, it asks the sidecar to quit.
    Quit,
    /// When the job has ended, it tells a collector of it.
    Report,
}

/// Every name that this component goes by, and what it then is.
pub fn names() -> Vec<(String, Kind)> {
    let mut names = vec![("otlp-report".to_owned(), Kind::Report)];
    for sidecar in SIDECARS.iter().chain([&HTTP]) {
        names.extend(sidecar.quit.is_some().then(|| (format!("{}-quit", sidecar.name), Kind::Quit)));
        names.extend(sidecar.wait.is_some().then(|| (format!("{}-wait", sidecar.name), Kind::Wait)));
    }
    names
}
