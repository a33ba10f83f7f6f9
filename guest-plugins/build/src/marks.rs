//! By what each sidecar of the table is known in the spec of a pod: no plugin needs it, so it is apart from the table.

/// By what a sidecar is known in the spec of a pod, and what there decides whether it can be asked to quit. Only
/// `wrapper-plugin doctor` reads this.
pub struct Marks {
    /// The rows of [`SIDECARS`](crate::table::SIDECARS) or [`QUEUES`](crate::table::QUEUES) that one container has, the recommended one first.
    pub rows: &'static [&'static str],
    /// Names of its container. An injector gives it the first.
    pub containers: &'static [&'static str],
    /// The ends of its images' names, without a tag. `*` at the end stands for any rest.
    pub images: &'static [&'static str],
    /// A word that its command line has, if the image is for other programs too. Empty if it is not.
    pub word: &'static str,
    /// By any of these a pod or a namespace asks an injector for it.
    pub wishes: &'static [Setting],
    /// By any of these a pod asks for none.
    pub unless: &'static [Setting],
    /// What its injector writes into the pod, as the downward API calls it. Empty if no injector adds it.
    pub written: &'static str,
    /// By any of these the injector makes it a native sidecar.
    pub native: &'static [Setting],
    /// Whether an injector may make it native without one of these.
    pub may_be_native: bool,
    /// Any of these opens its quit endpoint. None if it is open by default.
    pub opened: &'static [Setting],
    /// What else may open it, which a pod does not show. Empty if nothing does.
    pub opened_elsewhere: &'static str,
    /// Any of these closes it; and what that means, and what to do.
    pub closed: &'static [(Setting, &'static str, &'static str)],
    /// What sets the port of its quit endpoint.
    pub port: &'static [Setting],
    /// Any of these makes it ask for the token of its [`Call`](crate::table::Call).
    pub token: &'static [Setting],
}

/// Something in the spec of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// An annotation or a label, and its value. Empty for any value that is not a refusal.
    Mark(&'static str, &'static str),
    /// An option of the sidecar.
    Flag(&'static str),
    /// A variable of the sidecar's container, and its value. Empty for any value.
    Variable(&'static str, &'static str),
    /// The end of the image's name.
    Image(&'static str),
    /// The image's tag is this version or a later one.
    Since(u64, u64),
}

impl Marks {
    const NONE: Self = Self {
        rows: &[],
        containers: &[],
        images: &[],
        word: "",
        wishes: &[],
        unless: &[],
        written: "",
        native: &[],
        may_be_native: false,
        opened: &[],
        opened_elsewhere: "",
        closed: &[],
        port: &[],
        token: &[],
    };
}

const PROXYLESS: &str = "its agent has no Envoy, and agents since March 2025 crash over the request and run on";

/// All of them. Of two that fit a container the first counts.
pub const MARKS: &[Marks] = &[
    Marks {
        rows: &["istio", "istio-envoy"],
        containers: &["istio-proxy"],
        images: &["proxyv2"],
        wishes: &[
            Setting::Mark("sidecar.istio.io/inject", "true"),
            Setting::Mark("istio.io/rev", ""),
            Setting::Mark("istio-injection", "enabled"),
        ],
        unless: &[Setting::Mark("sidecar.istio.io/inject", "false")],
        written: "metadata.annotations['sidecar.istio.io/status']",
        native: &[Setting::Mark("sidecar.istio.io/nativeSidecar", "true")],
        may_be_native: true,
        closed: &[
            (
                Setting::Mark("status.sidecar.istio.io/port", "0"),
                "its status port is off (annotation status.sidecar.istio.io/port)",
                "take the annotation out",
            ),
            (Setting::Mark("inject.istio.io/templates", "grpc-agent"), PROXYLESS, "make the sidecar native"),
            (Setting::Variable("DISABLE_ENVOY", "true"), PROXYLESS, "make the sidecar native"),
        ],
        port: &[Setting::Mark("status.sidecar.istio.io/port", "")],
        ..Marks::NONE
    },
    Marks {
        rows: &["linkerd"],
        containers: &["linkerd-proxy"],
        images: &["linkerd/proxy"],
        wishes: &[Setting::Mark("linkerd.io/inject", "enabled"), Setting::Mark("linkerd.io/inject", "ingress")],
        unless: &[Setting::Mark("linkerd.io/inject", "disabled")],
        written: "metadata.annotations['linkerd.io/proxy-version']",
        native: &[
            Setting::Mark("config.beta.linkerd.io/proxy-enable-native-sidecar", "true"),
            Setting::Mark("config.alpha.linkerd.io/proxy-enable-native-sidecar", "true"),
        ],
        may_be_native: true,
        opened: &[
            Setting::Mark("config.linkerd.io/proxy-admin-shutdown", "enabled"),
            Setting::Variable("LINKERD2_PROXY_SHUTDOWN_ENDPOINT_ENABLED", "true"),
        ],
        opened_elsewhere: "proxy.enableShutdownEndpoint=true in Linkerd's Helm chart",
        port: &[Setting::Mark("config.linkerd.io/admin-port", "")],
        ..Marks::NONE
    },
    Marks {
        rows: &["dapr"],
        containers: &["daprd"],
        images: &["daprd"],
        wishes: &[Setting::Mark("dapr.io/enabled", "")],
        written: "metadata.labels['dapr.io/sidecar-injected']",
        closed: &[
            (
                Setting::Mark("dapr.io/unix-domain-socket-path", ""),
                "it listens on a Unix socket alone, which no hook reaches (annotation dapr.io/unix-domain-socket-path)",
                "take the annotation out",
            ),
            (
                Setting::Flag("--unix-domain-socket"),
                "it listens on a Unix socket alone, which no hook reaches (--unix-domain-socket)",
                "start it without --unix-domain-socket",
            ),
        ],
        port: &[Setting::Flag("--dapr-http-port")],
        token: &[Setting::Mark("dapr.io/api-token-secret", ""), Setting::Variable("DAPR_API_TOKEN", "")],
        ..Marks::NONE
    },
    Marks {
        rows: &["consul"],
        containers: &["consul-dataplane"],
        images: &["consul-dataplane"],
        wishes: &[Setting::Mark("consul.hashicorp.com/connect-inject", "true")],
        unless: &[Setting::Mark("consul.hashicorp.com/connect-inject", "false")],
        written: "metadata.annotations['consul.hashicorp.com/connect-inject-status']",
        port: &[
            Setting::Flag("-graceful-port"),
            Setting::Mark("consul.hashicorp.com/sidecar-proxy-lifecycle-graceful-port", ""),
        ],
        ..Marks::NONE
    },
    Marks {
        rows: &["kuma"],
        containers: &["kuma-sidecar"],
        images: &["kuma-dp", "kuma-sidecar"],
        wishes: &[
            Setting::Mark("kuma.io/sidecar-injection", "enabled"),
            Setting::Mark("kuma.io/sidecar-injection", "true"),
        ],
        unless: &[
            Setting::Mark("kuma.io/sidecar-injection", "disabled"),
            Setting::Mark("kuma.io/sidecar-injection", "false"),
        ],
        written: "metadata.annotations['kuma.io/sidecar-injected']",
        may_be_native: true,
        closed: &[(
            Setting::Since(2, 14),
            "from Kuma 2.14 on its admin interface is a Unix socket, which no hook reaches",
            "make the sidecar native",
        )],
        port: &[Setting::Mark("kuma.io/envoy-admin-port", "")],
        ..Marks::NONE
    },
    Marks {
        rows: &["vault"],
        containers: &["vault-agent"],
        images: &["vault", "vault-enterprise", "openbao", "openbao-ubi"],
        word: "agent",
        wishes: &[Setting::Mark("vault.hashicorp.com/agent-inject", "")],
        unless: &[Setting::Mark("vault.hashicorp.com/agent-pre-populate-only", "true")],
        written: "metadata.annotations['vault.hashicorp.com/agent-inject-status']",
        opened: &[Setting::Mark("vault.hashicorp.com/agent-enable-quit", "true")],
        opened_elsewhere: "agent_api { enable_quit = true } in a configuration of your own",
        port: &[Setting::Mark("vault.hashicorp.com/agent-cache-listener-port", "")],
        ..Marks::NONE
    },
    Marks {
        rows: &["vault-proxy"],
        containers: &["vault-proxy"],
        images: &["vault", "vault-enterprise", "openbao", "openbao-ubi"],
        word: "proxy",
        ..Marks::NONE
    },
    Marks {
        rows: &["cloudsql"],
        containers: &["cloud-sql-proxy", "cloudsql-proxy", "cloud-sql-auth-proxy"],
        images: &["cloud-sql-proxy", "gce-proxy"],
        opened: &[Setting::Variable("CSQL_PROXY_QUITQUITQUIT", "true"), Setting::Flag("--quitquitquit")],
        closed: &[(
            Setting::Image("gce-proxy"),
            "version 1 of the proxy has no quit endpoint",
            "take version 2 with --quitquitquit, or make the sidecar native",
        )],
        port: &[Setting::Flag("--admin-port")],
        ..Marks::NONE
    },
    Marks {
        rows: &["alloydb"],
        containers: &["alloydb-auth-proxy", "alloydb-proxy"],
        images: &["alloydb-auth-proxy"],
        opened: &[Setting::Variable("ALLOYDB_PROXY_QUITQUITQUIT", "true"), Setting::Flag("--quitquitquit")],
        port: &[Setting::Flag("--admin-port")],
        ..Marks::NONE
    },
    Marks { rows: &["envoy"], containers: &["envoy"], images: &["envoy"], ..Marks::NONE },
    Marks { rows: &["caddy"], containers: &["caddy"], images: &["caddy"], ..Marks::NONE },
    Marks {
        rows: &["prometheus"],
        containers: &["prometheus"],
        images: &["prometheus"],
        opened: &[Setting::Flag("--web.enable-lifecycle")],
        port: &[Setting::Flag("--web.listen-address")],
        ..Marks::NONE
    },
    Marks {
        rows: &["pushgateway"],
        containers: &["pushgateway"],
        images: &["pushgateway"],
        opened: &[Setting::Flag("--web.enable-lifecycle")],
        port: &[Setting::Flag("--web.listen-address")],
        ..Marks::NONE
    },
    Marks {
        rows: &["spring"],
        containers: &["spring-boot"],
        images: &["spring-cloud-config-server", "spring-boot-admin"],
        opened: &[
            Setting::Variable("MANAGEMENT_ENDPOINT_SHUTDOWN_ACCESS", "unrestricted"),
            Setting::Variable("MANAGEMENT_ENDPOINT_SHUTDOWN_ENABLED", "true"),
        ],
        opened_elsewhere: "management.endpoint.shutdown.access=unrestricted in its own configuration",
        port: &[Setting::Variable("MANAGEMENT_SERVER_PORT", ""), Setting::Variable("SERVER_PORT", "")],
        ..Marks::NONE
    },
    Marks {
        rows: &["wiremock"],
        containers: &["wiremock"],
        images: &["wiremock"],
        port: &[Setting::Flag("--port")],
        ..Marks::NONE
    },
    Marks {
        rows: &["otel"],
        containers: &["otc-container", "otel-collector", "opentelemetry-collector"],
        images: &["opentelemetry-collector*", "aws-otel-collector"],
        wishes: &[Setting::Mark("sidecar.opentelemetry.io/inject", "")],
        written: "metadata.labels['sidecar.opentelemetry.io/injected']",
        may_be_native: true,
        ..Marks::NONE
    },
    Marks {
        rows: &["fluentbit"],
        containers: &["fluent-bit", "fluentbit"],
        images: &["fluent-bit", "aws-for-fluent-bit"],
        ..Marks::NONE
    },
];
