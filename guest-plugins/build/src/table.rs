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
    /// The real program, and its version, that the project's tests prove this row with. Empty if none does.
    pub proved: &'static str,
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
    /// Another port and path, asked if nothing listens on the first.
    pub or: Option<(u16, &'static str)>,
    /// A header field that makes a grant void: who sends it does not know.
    pub void: Option<(&'static str, &'static str)>,
    /// A field that it must have.
    pub header: Option<(&'static str, &'static str)>,
    /// A field whose value is a secret, and the variables that may have it, the first before the second.
    pub token: Option<(&'static str, [&'static str; 2])>,
    /// Variables of an operator that have the URLs, and the variable that has the port.
    pub operator: (&'static [&'static str], Option<&'static str>),
    /// What a closed port may mean besides that there is no sidecar, and what to change.
    pub refused: &'static str,
    /// What other answers mean, and what to change. The first that fits counts.
    pub hints: &'static [Hint],
}

/// What an answer means that grants nothing.
pub struct Hint {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Body,
    /// What it means, and what to change.
    pub says: &'static str,
}

/// The body of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// Whatever it is.
    Any,
    /// It is empty.
    Empty,
    /// It has this text in it.
    With(&'static str),
}

impl Call {
    const fn new(method: &'static str, port: u16, path: &'static str) -> Self {
        Self {
            method,
            port,
            path,
            or: None,
            void: None,
            header: None,
            token: None,
            operator: (&[], None),
            refused: "",
            hints: &[],
        }
    }

    const fn hints(self, hints: &'static [Hint]) -> Self {
        Self { hints, ..self }
    }

    const fn or(self, port: u16, path: &'static str) -> Self {
        Self { or: Some((port, path)), ..self }
    }

    const fn refused(self, refused: &'static str) -> Self {
        Self { refused, ..self }
    }
}

const fn quit(port: u16, path: &'static str) -> Call {
    Call::new("POST", port, path)
}

const fn ready(port: u16, path: &'static str) -> Call {
    Call::new("GET", port, path)
}

const fn hint(status: u16, says: &'static str) -> Hint {
    Hint { status, body: Body::Any, says }
}

const fn body_hint(status: u16, body: Body, says: &'static str) -> Hint {
    Hint { status, body, says }
}

/// What Go's HTTP server says to plain HTTP on a port that speaks TLS, and what nginx says.
pub const TLS: [&str; 2] =
    ["Client sent an HTTP request to an HTTPS server", "The plain HTTP request was sent to HTTPS port"];

const NOT_LOOPBACK: Hint =
    hint(403, "it takes this from its own host only; the job must share the sidecar's network namespace");
const ENVOY_DRAINS: Hint = hint(503, "it has no configuration yet, or its health check was made to fail");
const ENVOY_WAITS: Hint = hint(503, "its Envoy is not ready yet");
const NEEDS_QUITQUITQUIT: &str = "its quit endpoint is off; start the proxy with --quitquitquit";
const NEEDS_HEALTH_CHECK: &str = "its health checks are off; start the proxy with --health-check";
const NEEDS_LIFECYCLE: Hint =
    body_hint(403, Body::With("Lifecycle API"), "its quit endpoint is off; start it with --web.enable-lifecycle");
const DAPR_TOKEN: [&str; 2] = ["HOOK_DAPR_API_TOKEN", "DAPR_API_TOKEN"];
const DAPR_SOCKET: &str = "it has no TCP port if it was started with --unix-domain-socket";

const SQL_QUIT: Call = quit(9091, "/quitquitquit").refused(NEEDS_QUITQUITQUIT).hints(&[hint(404, NEEDS_QUITQUITQUIT)]);
const SQL_WAIT: Call = ready(9090, "/startup")
    .refused(NEEDS_HEALTH_CHECK)
    .hints(&[hint(404, NEEDS_HEALTH_CHECK), hint(503, "it has not started yet")]);

/// All of them, in alphabetical order.
pub const SIDECARS: &[Sidecar] = &[
    Sidecar {
        name: "alloydb",
        title: "AlloyDB Auth Proxy",
        source: "https://github.com/GoogleCloudPlatform/alloydb-auth-proxy",
        proved: "",
        quit: Some(SQL_QUIT),
        wait: Some(SQL_WAIT),
    },
    Sidecar {
        name: "caddy",
        title: "Caddy",
        source: "https://caddyserver.com/docs/api",
        proved: "Caddy 2.11.7",
        quit: Some(quit(2019, "/stop").refused("its admin endpoint is off or elsewhere")),
        wait: Some(ready(2019, "/config/").refused("its admin endpoint is off or elsewhere")),
    },
    Sidecar {
        name: "cloudsql",
        title: "Cloud SQL Auth Proxy",
        source: "https://github.com/GoogleCloudPlatform/cloud-sql-proxy",
        proved: "cloud-sql-proxy 2.27.0",
        quit: Some(Call { operator: (&["CSQL_PROXY_QUIT_URLS", "CSQL_QUIT_URLS"], None), ..SQL_QUIT }),
        // Its operator's default is the latter.
        wait: Some(Call { operator: (&[], Some("CSQL_PROXY_HTTP_PORT")), ..SQL_WAIT }.or(9801, "/startup")),
    },
    Sidecar {
        name: "consul",
        title: "Consul dataplane",
        source: "https://developer.hashicorp.com/consul/docs/reference/dataplane/cli",
        proved: "",
        // The port that consul-k8s sets, and the program's own default.
        quit: Some(quit(20600, "/graceful_shutdown").or(20300, "/graceful_shutdown").refused(
            "its -graceful-port is another: consul-k8s adds a service's index to it in a pod of several services",
        )),
        // Its own /graceful_startup answers 200 at once unless it is given a period.
        wait: Some(ready(19000, "/ready").refused("its -envoy-admin-bind-port is another").hints(&[ENVOY_DRAINS])),
    },
    Sidecar {
        name: "dapr",
        title: "Dapr",
        source: "https://docs.dapr.io/reference/api/health_api/",
        proved: "daprd 1.14.0",
        quit: Some(
            Call {
                token: Some(("dapr-api-token", DAPR_TOKEN)),
                operator: (&[], Some("DAPR_HTTP_PORT")),
                ..quit(3500, "/v1.0/shutdown")
            }
            .refused(DAPR_SOCKET)
            .hints(&[
                hint(401, "its API has a token; give it as HOOK_DAPR_API_TOKEN"),
                hint(
                    404,
                    "its Configuration does not allow it; add {name: shutdown, version: v1.0, protocol: http} to \
                     spec.api.allowed, or take it out of spec.api.denied",
                ),
            ]),
        ),
        wait: Some(
            Call { operator: (&[], Some("DAPR_HTTP_PORT")), ..ready(3500, "/v1.0/healthz/outbound") }
                .refused(DAPR_SOCKET)
                .hints(&[hint(500, "its components are not initialised")]),
        ),
    },
    Sidecar {
        name: "envoy",
        title: "Envoy",
        source: "https://www.envoyproxy.io/docs/envoy/latest/operations/admin",
        proved: "Envoy 1.40.0",
        quit: Some(quit(9901, "/quitquitquit").refused("its admin interface is off, or on another port")),
        wait: Some(
            ready(9901, "/ready").refused("its admin interface is off, or on another port").hints(&[ENVOY_DRAINS]),
        ),
    },
    Sidecar {
        name: "istio",
        title: "Istio",
        source: "https://github.com/istio/istio/blob/master/pilot/cmd/pilot-agent/status/server.go",
        proved: "pilot-agent of 2026-08-27, Envoy 1.40.0",
        quit: Some(quit(15020, "/quitquitquit").refused("its status port is another").hints(&[NOT_LOOPBACK])),
        // Envoy serves the first when it can route. The agent serves the second from its start, also where there is no Envoy.
        wait: Some(ready(15021, "/healthz/ready").or(15020, "/healthz/ready").hints(&[
            body_hint(503, Body::Any, "its Envoy is not ready yet; without istiod it never is"),
        ])),
    },
    Sidecar {
        name: "istio-envoy",
        title: "Envoy under Istio",
        source: "https://istio.io/latest/docs/ops/deployment/application-requirements/",
        proved: "pilot-agent of 2026-08-27, Envoy 1.40.0",
        quit: Some(quit(15000, "/quitquitquit")),
        wait: Some(ready(15000, "/ready").hints(&[ENVOY_DRAINS])),
    },
    Sidecar {
        name: "kuma",
        title: "Kuma",
        source: "https://github.com/kumahq/kuma/blob/master/app/kuma-dp/pkg/dataplane/readiness/component.go",
        proved: "",
        quit: Some(quit(9901, "/quitquitquit").refused(
            "it is Kuma 2.14 or later, whose admin interface is a Unix socket, which no hook reaches",
        )),
        // Before 2.14 the first is right. From 2.14 on it is closed, and the second passes on what Envoy says.
        wait: Some(
            Call { void: Some(("x-powered-by", "kuma-dp")), ..ready(9901, "/ready") }
                .or(9902, "/ready")
                .refused("both its admin interface and its readiness are Unix sockets, which no hook reaches")
                .hints(&[hint(200, "kuma-dp is up, its Envoy is not yet"), ENVOY_WAITS]),
        ),
    },
    Sidecar {
        name: "linkerd",
        title: "Linkerd",
        source: "https://linkerd.io/2/tasks/graceful-shutdown/",
        proved: "",
        quit: Some(quit(4191, "/shutdown").hints(&[
            body_hint(
                403,
                Body::Empty,
                "its inbound policy denies it; authorize 127.0.0.1 on port 4191, the proxy's admin port",
            ),
            NOT_LOOPBACK,
            body_hint(
                404,
                Body::Empty,
                "its inbound policy denies port 4191; authorize 127.0.0.1 on the proxy's admin port",
            ),
            hint(
                404,
                "its shutdown endpoint is off; annotate the pod with config.linkerd.io/proxy-admin-shutdown: enabled, or \
                 set proxy.enableShutdownEndpoint=true in its Helm chart",
            ),
        ])),
        wait: Some(ready(4191, "/ready").hints(&[
            hint(503, "it has no identity or no control plane yet"),
            body_hint(
                403,
                Body::Empty,
                "its inbound policy denies it; authorize 127.0.0.1 on port 4191, the proxy's admin port",
            ),
            body_hint(
                404,
                Body::Empty,
                "its inbound policy denies port 4191; authorize 127.0.0.1 on the proxy's admin port",
            ),
        ])),
    },
    Sidecar {
        name: "prometheus",
        title: "Prometheus",
        source: "https://prometheus.io/docs/prometheus/latest/management_api/",
        proved: "Prometheus 2.42.0",
        quit: Some(quit(9090, "/-/quit").hints(&[NEEDS_LIFECYCLE])),
        wait: Some(ready(9090, "/-/ready")),
    },
    Sidecar {
        name: "pushgateway",
        title: "Prometheus Pushgateway",
        source: "https://github.com/prometheus/pushgateway#management-api",
        proved: "Pushgateway 1.5.1",
        quit: Some(quit(9091, "/-/quit").hints(&[NEEDS_LIFECYCLE])),
        wait: Some(ready(9091, "/-/ready")),
    },
    Sidecar {
        name: "spring",
        title: "Spring Boot",
        source: "https://docs.spring.io/spring-boot/api/rest/actuator/shutdown.html",
        proved: "",
        quit: Some(quit(8080, "/actuator/shutdown").hints(&[hint(
            404,
            "its shutdown endpoint is off; set management.endpoint.shutdown.access=unrestricted (before Boot 3.4 \
             management.endpoint.shutdown.enabled=true) and management.endpoints.web.exposure.include=health,shutdown",
        )])),
        wait: Some(ready(8080, "/actuator/health/readiness").hints(&[
            hint(404, "its readiness probe is off; set management.endpoint.health.probes.enabled=true"),
            hint(503, "it is not ready yet"),
        ])),
    },
    Sidecar {
        name: "vault",
        title: "Vault Agent",
        source: "https://developer.hashicorp.com/vault/docs/agent-and-proxy/agent#quit",
        proved: "OpenBao 2.7.2's agent",
        quit: Some(
            Call { header: Some(("X-Vault-Request", "true")), ..quit(8200, "/agent/v1/quit") }
                .refused(VAULT_OFF)
                .hints(&[hint(404, VAULT_OFF), VAULT_HEADER]),
        ),
        wait: None,
    },
    Sidecar {
        name: "vault-proxy",
        title: "Vault Proxy",
        source: "https://developer.hashicorp.com/vault/docs/agent-and-proxy/proxy#quit",
        proved: "OpenBao 2.7.2's proxy",
        quit: Some(
            Call { header: Some(("X-Vault-Request", "true")), ..quit(8200, "/proxy/v1/quit") }
                .refused(VAULT_PROXY_OFF)
                .hints(&[hint(404, VAULT_PROXY_OFF), VAULT_HEADER]),
        ),
        wait: None,
    },
    Sidecar {
        name: "wiremock",
        title: "WireMock",
        source: "https://wiremock.org/docs/standalone/admin-api-reference/",
        proved: "WireMock 3.13.2",
        quit: Some(quit(8080, "/__admin/shutdown")),
        wait: Some(ready(8080, "/__admin/health")),
    },
];

const VAULT_OFF: &str = "its quit endpoint is off; annotate the pod with vault.hashicorp.com/agent-enable-quit: \"true\", or \
                         set agent_api { enable_quit = true } in a listener of its configuration";
const VAULT_PROXY_OFF: &str =
    "its quit endpoint is off; set proxy_api { enable_quit = true } in a listener of its configuration";
const VAULT_HEADER: Hint = hint(
    412,
    "it misses the header X-Vault-Request, which this plugin sends; what stands between the two may have dropped it",
);

/// The generic pair, whose URLs and the like are the user's.
pub const HTTP: Sidecar = Sidecar {
    name: "http",
    title: "the server",
    source: "",
    proved: "",
    quit: Some(quit(80, "/")),
    wait: Some(ready(80, "/")),
};

/// A queue that is to be empty before the pod ends.
pub struct Queue {
    /// The plugin is called by this: `otel` has `otel-drain`.
    pub name: &'static str,
    /// What people call its owner.
    pub title: &'static str,
    /// Where this is from.
    pub source: &'static str,
    /// On localhost.
    pub port: u16,
    /// Begins with `/`.
    pub path: &'static str,
    /// The numbers whose sum is the length of the queue: a metric, or a pointer into JSON (RFC 6901).
    pub length: &'static str,
    /// From one look at it to the next, in milliseconds: longer than its owner takes to count anew.
    pub pause: u64,
    /// What a closed port may mean besides that there is no sidecar, and what to change.
    pub refused: &'static str,
    /// What 404 means, and what to change.
    pub absent: &'static str,
}

/// All of them.
pub const QUEUES: &[Queue] = &[
    Queue {
        name: "fluentbit",
        title: "Fluent Bit",
        source: "https://docs.fluentbit.io/manual/administration/monitoring",
        port: 2020,
        path: "/api/v1/storage",
        length: "/storage_layer/chunks/total_chunks",
        // It counts every five seconds.
        pause: 6_000,
        refused: "its HTTP server is off; set http_server: on and storage.metrics: on in its service section",
        absent: "it counts no chunks; set storage.metrics: on in its service section",
    },
    Queue {
        name: "otel",
        title: "OpenTelemetry Collector",
        source: "https://opentelemetry.io/docs/collector/internal-telemetry/",
        port: 8888,
        path: "/metrics",
        length: "otelcol_exporter_queue_size",
        pause: 1_000,
        refused: "its own metrics are off or elsewhere; see service.telemetry.metrics.readers of its configuration",
        absent: "its own metrics are elsewhere; see service.telemetry.metrics.readers of its configuration",
    },
];

/// The generic one, whose URL and metric are the user's.
pub const HTTP_QUEUE: Queue = Queue {
    name: "http",
    title: "the server",
    source: "",
    port: 80,
    path: "/",
    length: "",
    pause: 1_000,
    refused: "",
    absent: "",
};

/// A plugin that this component can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Before the job starts, it waits until the sidecar is ready.
    Wait,
    /// When the job has ended, it waits until a queue is empty.
    Drain,
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
    names.extend(QUEUES.iter().chain([&HTTP_QUEUE]).map(|queue| (format!("{}-drain", queue.name), Kind::Drain)));
    names
}

/// Says so of a file that has another name.
pub fn is_not_one_of(name: &str) -> String {
    let names: Vec<_> = names().into_iter().map(|(name, _)| name).collect();
    format!("this plugin is what its file is called, and '{name}' is none of {}; rename the file", names.join(", "))
}

/// The variables that a plugin of this name reads beside those named `HOOK_…`: what an operator or an injector sets in the
/// job's container, and nobody can rename.
pub fn variables(plugin: &str) -> Vec<&'static str> {
    let call = |sidecar: &'static Sidecar| match plugin.strip_prefix(sidecar.name)? {
        "-quit" => sidecar.quit.as_ref(),
        "-wait" => sidecar.wait.as_ref(),
        _ => None,
    };
    let Some(Call { operator: (urls, port), token, .. }) = SIDECARS.iter().find_map(call) else { return Vec::new() };
    let token = token.map(|(_, [_, variable])| variable);
    urls.iter().copied().chain(*port).chain(token).collect()
}
