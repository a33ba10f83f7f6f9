//! The sidecars: how each is started in the network of a test.

use wrapper_tests::{Program, TOOLS};

/// That the Cloud SQL proxy tells whether it is ready.
pub const HEALTH: &str = "--health-check";
/// That it can be asked to quit.
pub const QUIT: &str = "--quitquitquit";
/// A listener of OpenBao without TLS.
pub const PLAIN: &str = "tls_disable = true";
/// That Prometheus and Pushgateway can be asked to quit.
pub const LIFECYCLE: &str = "--web.enable-lifecycle";

/// A sidecar and the plugins for it.
pub struct Real {
    /// With its quit endpoint on.
    pub program: Program,
    /// What it needs for being ready, and is started before all else.
    pub control_plane: Option<Program>,
    /// The plugin that waits for it, if there is one.
    pub wait: Option<&'static str>,
    /// The plugin that asks it to quit.
    pub quit: &'static str,
    /// The port of the quit endpoint.
    pub port: u16,
}

/// Each as it is meant to be used with these plugins.
pub fn all() -> [Real; 9] {
    let real = |quit, port, program| Real { program, control_plane: None, wait: None, quit, port };
    let ads = || Some(Program::new("sidecars/ads/ads", &["127.0.0.1:15010"]));
    [
        Real { control_plane: ads(), wait: Some("istio-wait"), ..real("istio-quit", 15020, pilot_agent()) },
        Real { control_plane: ads(), wait: Some("istio-envoy-wait"), ..real("istio-envoy-quit", 15000, pilot_agent()) },
        Real { wait: Some("cloudsql-wait"), ..real("cloudsql-quit", 9091, cloud_sql(&[HEALTH, QUIT])) },
        real("vault-quit", 8200, openbao("agent", &listener(PLAIN, "agent_api { enable_quit = true }"))),
        real("vault-proxy-quit", 8200, openbao("proxy", &listener(PLAIN, "proxy_api { enable_quit = true }"))),
        Real { wait: Some("prometheus-wait"), ..real("prometheus-quit", 9090, prometheus(&[LIFECYCLE])) },
        Real { wait: Some("pushgateway-wait"), ..real("pushgateway-quit", 9091, pushgateway(&[LIFECYCLE])) },
        Real { wait: Some("wiremock-wait"), ..real("wiremock-quit", 8080, wiremock()) },
        Real { wait: Some("caddy-wait"), ..real("caddy-quit", 2019, caddy()) },
    ]
}

/// Istio's sidecar, which starts an Envoy. Its certificates are files that it does not need, so that there is no CA.
pub fn pilot_agent() -> Program {
    let config = format!(
        r#"{{"binaryPath": "{TOOLS}/envoy/envoy", "proxyBootstrapTemplatePath": "{TOOLS}/sidecars/envoy_bootstrap.json",
        "discoveryAddress": "127.0.0.1:15010", "controlPlaneAuthPolicy": "NONE", "concurrency": 1}}"#
    );
    let arguments = ["proxy", "sidecar", "--domain", "default.svc.cluster.local", "--proxyLogLevel=warning"];
    let mut agent = Program::new("sidecars/pilot-agent", &arguments)
        .needs("envoy/envoy")
        .needs("sidecars/envoy_bootstrap.json")
        .needs("sidecars/ads/ads");
    for (name, value) in [
        ("PROXY_CONFIG", config.as_str()),
        ("POD_NAME", "job-1"),
        ("POD_NAMESPACE", "default"),
        ("SERVICE_ACCOUNT", "default"),
        ("INSTANCE_IP", "127.0.0.1"),
        ("HOST_IP", "127.0.0.1"),
        ("ISTIO_META_CLUSTER_ID", "Kubernetes"),
        ("PROXY_XDS_VIA_AGENT", "true"),
        ("FILE_MOUNTED_CERTS", "true"),
        ("CLOUD_PLATFORM", "none"),
        ("GCE_METADATA_HOST", "127.0.0.1:1"),
    ] {
        agent = agent.env(name, value);
    }
    agent.file("etc/istio/proxy/folder", "").file("var/run/secrets/tokens/folder", "")
}

/// With `--lazy-refresh` it asks no API until somebody connects to the database.
pub fn cloud_sql(arguments: &[&str]) -> Program {
    Program::new("sidecars/cloud-sql-proxy", &["--token=x", "--port=5432", "--lazy-refresh", "project:region:name"])
        .arguments(arguments)
}

/// Vault's fork, as agent or proxy. The server that it is told of is not there.
pub fn openbao(mode: &str, config: &str) -> Program {
    Program::new("sidecars/openbao/bao", &[mode, "-config", "config.hcl"])
        .file("config.hcl", &format!("vault {{ address = \"http://127.0.0.1:8300\" }}\n{config}"))
}

/// The one listener in its configuration.
pub fn listener(tls: &str, quit: &str) -> String {
    format!("listener \"tcp\" {{\naddress = \"127.0.0.1:8200\"\n{tls}\n{quit}\n}}")
}

/// A server that scrapes nothing.
pub fn prometheus(arguments: &[&str]) -> Program {
    let fixed = ["--config.file=config.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:9090"];
    Program::new("sidecars/prometheus/usr/bin/prometheus", &fixed).arguments(arguments).file("config.yml", "{}")
}

/// A gateway that keeps nothing.
pub fn pushgateway(arguments: &[&str]) -> Program {
    let fixed = ["--web.listen-address=127.0.0.1:9091"];
    Program::new("sidecars/prometheus/usr/bin/prometheus-pushgateway", &fixed).arguments(arguments)
}

/// The one that runs in a JVM.
pub fn wiremock() -> Program {
    let jar = "sidecars/wiremock-standalone-3.13.2.jar";
    // The JVM's second compiler takes time that a short test does not get back.
    Program::new("java", &["-XX:TieredStopAtLevel=1", "-jar", &format!("{TOOLS}/{jar}"), "--port", "8080"]).needs(jar)
}

/// A server with its admin endpoint alone, which is on by default.
pub fn caddy() -> Program {
    Program::new("sidecars/caddy/bin/caddy", &["run"])
}
