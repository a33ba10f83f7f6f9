//! The mission on the real thing: a real Envoy as the sidecar is ended, in both ways in which it can serve the request.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use wait_timeout::ChildExt as _;
use wrapper_tests::{dist, envoy, own_network, run};

/// A real Envoy, ended with the test.
struct Envoy(Child);

impl Envoy {
    /// With one of the configurations under `examples/envoy`, ready at port 15020.
    fn start(config: &str) -> Self {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/envoy").join(config);
        let mut command = Command::new(envoy());
        command.arg("-c").arg(config).args(["-l", "error", "--concurrency", "1", "--disable-hot-restart"]);
        let envoy = Self(command.stdin(Stdio::null()).spawn().expect("Envoy starts"));
        let bound = Instant::now() + Duration::from_secs(30);
        while !is_ready() {
            assert!(Instant::now() < bound, "Envoy is not ready");
            thread::sleep(Duration::from_millis(10));
        }
        envoy
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
    let mut envoy = Envoy::start("routed.yaml");
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
