//! The mission on the real thing: a real Envoy as the sidecar is ended, in both ways in which it can serve the request.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};
use wait_timeout::ChildExt as _;
use wrapper_tests::{dist, own_network, run, tool, wait_until};

/// A real Envoy, ended with the test.
struct Envoy(Child);

/// A server of configuration that never answers, so that Envoy lives and is not ready.
const WITHOUT_CONFIGURATION: &str = "
dynamic_resources:
  cds_config:
    initial_fetch_timeout: 60s
    resource_api_version: V3
    api_config_source:
      api_type: REST
      transport_api_version: V3
      cluster_names: [nobody]
      refresh_delay: 60s
node: { id: test, cluster: test }
static_resources:
  clusters:
    - name: nobody
      load_assignment: { cluster_name: nobody, endpoints: [{ lb_endpoints: [{ endpoint: { address: {
        socket_address: { address: 127.0.0.1, port_value: 1 } } } }] }] }
";

impl Envoy {
    /// With one of the configurations under `examples/envoy`, ready at port 15020.
    fn start(config: &str) -> Self {
        let envoy = Self::begin(config, "{}");
        wait_until("Envoy is ready", is_ready);
        envoy
    }

    /// The same with a configuration on top, and not ready yet.
    fn begin(config: &str, more: &str) -> Self {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/envoy").join(config);
        let mut command = Command::new(tool("envoy/envoy"));
        command.arg("-c").arg(config).args(["--config-yaml", more]);
        command.args(["-l", "error", "--concurrency", "1", "--disable-hot-restart"]);
        Self(command.stdin(Stdio::null()).spawn().expect("Envoy starts"))
    }

    /// Its exit code, if it ends within five seconds.
    fn exit_code(&mut self) -> Option<i32> {
        self.0.wait_timeout(Duration::from_secs(5)).expect("it can be waited for").and_then(|status| status.code())
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // It may have ended, which is what most tests are about.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn is_ready() -> bool {
    let Ok(mut stream) = TcpStream::connect("127.0.0.1:15020") else { return false };
    let mut answer = String::new();
    stream.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

#[test]
fn an_envoy_that_answers_is_ended() {
    own_network();
    let mut envoy = Envoy::start("admin.yaml");
    let outcome = run(["sh", "-c", "echo job; exit 3"]).outcome();
    assert_eq!(outcome.exits(3).stdout, "job\n");
    outcome.says("istio-quit: localhost:15020 answered 200: the sidecar quits").within(Duration::from_secs(2));
    assert_eq!(envoy.exit_code(), Some(0));
}

#[test]
fn an_envoy_that_carries_the_request_itself_and_never_answers_is_ended() {
    own_network();
    let mut envoy = Envoy::start("istio.yaml");
    let outcome = run(["sh", "-c", "exit 3"]).outcome();
    outcome.exits(3).never_says("warning").within(Duration::from_secs(2));
    outcome.says("istio-quit: localhost:15020 ").says(": the sidecar quits");
    assert_eq!(envoy.exit_code(), Some(0));
}

#[test]
fn the_same_plugin_as_a_file_does_the_same() {
    own_network();
    let mut envoy = Envoy::start("admin.yaml");
    run(["--plugin", dist("plugins/istio-quit.wasm").to_str().unwrap(), "true"])
        .outcome()
        .exits(0)
        .says("answered 200");
    assert_eq!(envoy.exit_code(), Some(0));
}

#[test]
fn without_the_hook_envoy_stays() {
    own_network();
    let mut envoy = Envoy::start("admin.yaml");
    run(["--plugin", "none", "true"]).outcome().exits(0);
    thread::sleep(Duration::from_millis(500));
    assert!(is_ready());
    assert_eq!(envoy.0.try_wait().unwrap(), None);
}

#[test]
fn a_job_waits_for_an_envoy_in_istios_form_that_comes_late() {
    own_network();
    let late = thread::spawn(|| {
        thread::sleep(Duration::from_millis(500));
        Envoy::begin("istio.yaml", "{}")
    });
    // Its requests go the way on which Envoy has to be ready.
    let job = "exec 3<>/dev/tcp/127.0.0.1/15020 && printf 'GET /ready HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n' >&3 && head -1 <&3; exit 3";
    let outcome = run(["--plugin", "istio-wait", "--plugin", "istio-quit", "bash", "-c", job]).outcome();
    let place = "localhost:15021";
    outcome.exits(3).says(&format!("istio-wait: {place} is not ready: nothing listens there"));
    outcome.says(&format!("istio-wait: {place} answered 200: Istio is ready")).says(": the sidecar quits");
    assert!(outcome.stdout.starts_with("HTTP/1.1 200 OK"), "{outcome:#?}");
    assert_eq!(late.join().unwrap().exit_code(), Some(0));
}

#[test]
fn an_envoy_that_is_killed_while_the_job_waits_for_it_and_starts_again_is_waited_for() {
    let port = "admin: { address: { socket_address: { address: 127.0.0.1, port_value: 9901 } } }\n";
    for (sidecar, config, more, ready_at, quit_at, admin) in
        [("envoy", "admin.yaml", port, 9901, 9901, 9901), ("istio", "istio.yaml", "", 15021, 15020, 15000)]
    {
        own_network();
        let plugins = [format!("{sidecar}-wait"), format!("{sidecar}-quit")];
        let mut job = run(["--plugin", &plugins[0], "--plugin", &plugins[1], "sh", "-c", "exit 3"]).start();
        let mut stderr = BufReader::new(job.stderr.take().unwrap());
        let mut log = String::new();
        let mut read_until = |text: &str| {
            while !log.contains(text) {
                assert_ne!(stderr.read_line(&mut log).unwrap(), 0, "{text:?} is not in {log}");
            }
        };
        read_until(&format!("localhost:{ready_at} is not ready: nothing listens there"));
        // Late, and alive without being ready: its own listeners wait for its configuration.
        let mut first = Envoy::begin(config, &(more.to_owned() + WITHOUT_CONFIGURATION));
        if ready_at == admin {
            read_until("answered 503: it has no configuration yet");
        } else {
            wait_until("Envoy lives", || TcpStream::connect(("127.0.0.1", admin)).is_ok());
        }
        first.0.kill().unwrap();
        first.0.wait().unwrap();
        let mut second = Envoy::begin(config, if more.is_empty() { "{}" } else { more });
        read_until(&format!("{sidecar}-wait: localhost:{ready_at} answered 200: "));
        read_until(&format!("{sidecar}-quit: localhost:{quit_at} "));
        read_until(&format!("{sidecar}-quit: done in "));
        assert_eq!(job.wait().unwrap().code(), Some(3), "{log}");
        assert_eq!(second.exit_code(), Some(0));
        assert!(log.contains(": the sidecar quits") && log.find("started sh") > log.find(" is ready\n"), "{log}");
    }
}

#[test]
fn a_quit_that_waits_ends_when_envoy_is_gone() {
    own_network();
    let mut envoy = Envoy::start("istio.yaml");
    let outcome = run(["sh", "-c", "exit 3"]).env("HOOK_QUIT_WAIT", "10s").outcome();
    outcome.exits(3).says("istio-quit: localhost:15020 no longer listens after ").within(Duration::from_secs(10));
    // Its listeners close a moment before its process ends.
    assert_eq!(envoy.exit_code(), Some(0), "{outcome:#?}");
}
