//! The built-in plugins against the real programs that `scripts/setup sidecars` installs, each in a network of its own.
//!
//! The first half treats all of them alike, with the quit endpoint on. The second half is what each of them does by default,
//! or with settings that are wrong.

mod programs;

use programs::{
    HEALTH, PLAIN, QUIT, Real, all, caddy, cloud_sql, listener, openbao, pilot_agent, prometheus, pushgateway, wiremock,
};
use std::{
    net::TcpStream,
    process::{Command, Stdio},
    thread,
    time::Duration,
};
use wrapper_tests::{Outcome, Program, Run, Sidecar, own_network, run, skip_unless_ci};

/// How late a sidecar starts.
const LATE: Duration = Duration::from_secs(1);

fn is_installed(program: &Program) -> bool {
    let Some(why) = program.missing() else { return true };
    skip_unless_ci(&why);
    false
}

/// Does the same with each sidecar that is installed, with all of them at once.
fn with_each(test: impl Fn(&Real) + Sync) {
    let test = &test;
    thread::scope(|scope| {
        for real in all().into_iter().filter(|real| is_installed(&real.program)) {
            // A panic shows the name of the thread.
            let named = thread::Builder::new().name(real.quit.to_owned());
            let in_its_network = move || {
                own_network();
                let _control_plane = real.control_plane.as_ref().map(Program::start);
                test(&real);
            };
            named.spawn_scoped(scope, in_its_network).expect("a thread");
        }
    });
}

/// A run with one sidecar and nothing else in its network, if that is installed.
fn with(program: Program, test: impl FnOnce(Sidecar)) {
    if is_installed(&program) {
        own_network();
        test(program.start());
    }
}

/// A job with these plugins, whose failures count.
fn job<'a>(plugins: impl IntoIterator<Item = &'a str>, job: &str) -> Run {
    let plugins = plugins.into_iter().flat_map(|plugin| ["--plugin", plugin]);
    run(plugins.chain(["--on-hook-failure", "fail", "sh", "-c", job]))
}

/// How a quit failed, and that this is the wrapper's exit code.
#[track_caller]
fn fails(outcome: &Outcome, plugin: &str, parts: &[&str]) {
    outcome.exits(125).says(&format!("{plugin}: warning: failed in "));
    for part in parts {
        outcome.says(part);
    }
}

#[test]
fn a_sidecar_that_starts_late_is_waited_for_and_quits_after_the_job() {
    with_each(|real| {
        let Some(wait) = real.wait else { return };
        let late = real.program.start_after(LATE);
        let outcome = job([wait, real.quit], "echo job; exit 3").outcome();
        let mut sidecar = late.join().unwrap();
        assert_eq!(outcome.exits(3).stdout, "job\n");
        outcome.says(": nothing listens there").says(" is ready\n").never_says("warning");
        outcome.says(&format!("{}: localhost:{} ", real.quit, real.port)).says(": the sidecar quits");
        assert!(outcome.stderr.find("started sh") > outcome.stderr.find(" is ready\n"), "{outcome:#?}");
        sidecar.ends();
    });
}

#[test]
fn a_sidecar_that_starts_when_the_job_is_over_quits_if_a_variable_tells_of_it() {
    with_each(|real| {
        let late = real.program.start_after(LATE);
        let outcome = job([real.quit], "exit 3").env("HOOK_SIDECAR", "true").outcome();
        let mut sidecar = late.join().unwrap();
        outcome.exits(3).never_says("warning").says(": the sidecar quits");
        let first = "nothing listens on localhost";
        outcome.says(&format!("{}: {first}:{} yet: asking again for at most ", real.quit, real.port));
        sidecar.ends();
    });
}

#[test]
fn a_quit_that_waits_ends_when_the_sidecar_no_longer_listens() {
    with_each(|real| {
        let mut sidecar = real.program.start();
        let job = job(real.wait.into_iter().chain([real.quit]), "exit 3").env("HOOK_SIDECAR", "true");
        let outcome = job.env("HOOK_QUIT_WAIT", "10s").outcome();
        outcome.exits(3).never_says("warning").says(": the sidecar quits");
        outcome.says(&format!("{}: localhost:{} no longer listens after ", real.quit, real.port));
        sidecar.ends();
    });
}

#[test]
fn without_any_option_istios_sidecar_quits_that_starts_after_a_short_job() {
    if !is_installed(&pilot_agent()) {
        return;
    }
    own_network();
    let late = pilot_agent().start_after(LATE);
    let outcome = run(["true"]).outcome();
    outcome.exits(0).never_says("warning").says(": the sidecar quits");
    late.join().unwrap().ends();
    assert!(TcpStream::connect("127.0.0.1:15000").is_err(), "its Envoy runs on");
}

#[test]
fn an_istio_sidecar_without_a_control_plane_keeps_the_job_from_starting_and_quits() {
    with(pilot_agent(), |mut sidecar| {
        let outcome = job(["istio-wait,timeout=2s"], "echo job").outcome();
        assert_eq!(outcome.exits(125).stdout, "");
        outcome.says("istio-wait: localhost:15021 is not ready: ").says("istio-wait failed after ");
        outcome.says("its Envoy is not ready yet; without istiod it never is").within(Duration::from_secs(4));
        sidecar.stays();
        job(["istio-quit"], "true").outcome().exits(0).says(": the sidecar quits");
        sidecar.ends();
    });
}

#[test]
fn an_istio_sidecar_without_an_envoy_is_ready_and_its_crash_over_the_quit_is_a_failure() {
    with(pilot_agent().env("DISABLE_ENVOY", "true"), |mut sidecar| {
        let outcome = job(["istio-wait", "istio-quit"], "echo job").outcome();
        assert_eq!(outcome.stdout, "job\n", "{outcome:#?}");
        outcome.says(" answered 200: Istio is ready");
        let why = "localhost:15020 closed the connection without an answer and still listens 1 s later; \
                   the sidecar may have crashed over the request: see its log";
        fails(&outcome, "istio-quit", &[why]);
        sidecar.stays();
    });
}

#[test]
fn a_cloud_sql_proxy_whose_quit_endpoint_is_off_is_a_failure_that_names_the_flag() {
    let off = "but nothing listens on localhost:9091: its quit endpoint is off; start the proxy with --quitquitquit";
    let told = job(["cloudsql-quit"], "true").env("HOOK_CLOUDSQL_SIDECAR", "true");
    let seen_before_the_job = job(["cloudsql-wait", "cloudsql-quit"], "true");
    for mut run in [told, seen_before_the_job] {
        with(cloud_sql(&[HEALTH]), |mut sidecar| {
            let outcome = run.outcome();
            fails(&outcome, "cloudsql-quit", &["localhost:9090, ", off]);
            outcome.within(Duration::from_secs(8));
            sidecar.stays();
        });
    }
}

#[test]
fn a_cloud_sql_proxy_as_it_is_by_default_listens_nowhere_and_the_log_names_both_flags() {
    with(cloud_sql(&[]), |mut sidecar| {
        let outcome = job(["cloudsql-quit"], "true").env("HOOK_QUIT_RETRY", "500ms").outcome();
        let nobody = "cloudsql-quit: warning: nothing listens on localhost:9091: no sidecar to quit, or one that ";
        outcome
            .exits(0)
            .says(nobody)
            .says("set HOOK_CLOUDSQL_SIDECAR to tell which")
            .says("start the proxy with --quitquitquit");
        let outcome = job(["cloudsql-wait,timeout=1s"], "true").outcome();
        outcome.exits(125).says("nothing listens there").says("start the proxy with --health-check");
        sidecar.stays();
    });
}

#[test]
fn a_drain_of_the_cloud_sql_proxy_is_waited_for_as_long_as_the_user_says() {
    for (wait, is_enough) in [("10s", true), ("500ms", false)] {
        with(cloud_sql(&[HEALTH, QUIT, "--min-sigterm-delay=2s"]), |mut sidecar| {
            let outcome = job(["cloudsql-wait", "cloudsql-quit"], "true").env("HOOK_QUIT_WAIT", wait).outcome();
            outcome.says("localhost:9091 answered 200: the sidecar quits");
            if is_enough {
                outcome.exits(0).says("cloudsql-quit: localhost:9091 no longer listens after ");
                assert!(outcome.after_job > Duration::from_millis(1800), "{outcome:#?}");
            } else {
                fails(&outcome, "cloudsql-quit", &["localhost:9091 still listens ", " ms after it was asked to quit"]);
                assert!(sidecar.is_running(), "{sidecar:?}");
            }
            sidecar.ends();
        });
    }
}

#[test]
fn a_vault_agent_that_may_not_quit_is_a_failure_that_names_the_setting() {
    let setting = "agent_api { enable_quit = true }";
    with(openbao("agent", &listener(PLAIN, "")), |mut sidecar| {
        let outcome = job(["vault-quit"], "true").env("HOOK_VAULT_SIDECAR", "true").outcome();
        fails(&outcome, "vault-quit", &["localhost:8200/agent/v1/quit answered 404", setting]);
        sidecar.stays();
    });
    // As its injector starts it by default: it listens nowhere.
    let login = "auto_auth {\nmethod \"token_file\" {\nconfig = { token_file_path = \"token\" }\n}\n}\n\
                 template {\ncontents = \"x\"\ndestination = \"out\"\n}";
    with(openbao("agent", login).file("token", "x"), |mut sidecar| {
        let outcome = job(["vault-quit,timeout=2s"], "true").env("HOOK_VAULT_SIDECAR", "true").outcome();
        let known = ", but HOOK_VAULT_SIDECAR says that there is ";
        fails(&outcome, "vault-quit", &["nothing listened on localhost:8200 for ", known, setting]);
        sidecar.stays();
    });
}

#[test]
fn a_vault_agent_that_speaks_tls_is_a_failure_that_says_so() {
    // A certificate for the test alone.
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=a"];
    let made = Command::new("openssl").args(arguments).current_dir(&folder).stderr(Stdio::null()).status();
    if !made.is_ok_and(|status| status.success()) {
        return skip_unless_ci("a listener with TLS needs openssl");
    }
    let file = |name: &str| folder.path().join(name).display().to_string();
    let tls = format!("tls_cert_file = \"{}\"\ntls_key_file = \"{}\"", file("cert.pem"), file("key.pem"));
    with(openbao("agent", &listener(&tls, "agent_api { enable_quit = true }")), |mut sidecar| {
        let outcome = job(["vault-quit"], "true").env("HOOK_SIDECAR", "true").outcome();
        fails(&outcome, "vault-quit", &["answered 400", "TLS"]);
        sidecar.stays();
    });
}

#[test]
fn prometheus_and_pushgateway_without_their_lifecycle_api_are_failures_with_their_own_words() {
    let by_default = [(prometheus(&[]), "prometheus-quit", 9090), (pushgateway(&[]), "pushgateway-quit", 9091)];
    for (program, plugin, port) in by_default {
        with(program, |mut sidecar| {
            let run = job([plugin, "http-quit"], "true").env("HOOK_SIDECAR", "true");
            let outcome = run.env("HOOK_HTTP_QUIT_URL", format!("http://localhost:{port}/-/quit")).outcome();
            fails(&outcome, plugin, &["/-/quit answered 403", "start it with --web.enable-lifecycle"]);
            // The generic plugin knows of no flag, and passes on what the server says.
            fails(&outcome, "http-quit", &["/-/quit answered 403", "\"Lifecycle API is not enabled.\""]);
            sidecar.stays();
        });
    }
}

#[test]
fn a_wiremock_with_a_password_quits_if_it_is_given() {
    with(wiremock().arguments(&["--admin-api-basic-auth", "user:s3cret"]), |mut sidecar| {
        let job = || job(["wiremock-quit"], "true").env("HOOK_SIDECAR", "true");
        fails(&job().outcome(), "wiremock-quit", &["localhost:8080/__admin/shutdown answered 401"]);
        sidecar.stays();
        let outcome = job().env("HOOK_WIREMOCK_QUIT_HEADERS", "Authorization: Basic dXNlcjpzM2NyZXQ=").outcome();
        outcome.exits(0).says("answered 200: the sidecar quits").never_says("dXNlcjpzM2NyZXQ");
        sidecar.ends();
    });
}

#[test]
fn a_wrong_port_or_path_is_a_failure_and_the_sidecar_stays() {
    with(caddy(), |mut sidecar| {
        let job = |plugin| job(["caddy-wait", plugin], "true");
        let port = job("caddy-quit,timeout=2s").env("HOOK_CADDY_QUIT_URL", "http://localhost:2020/stop").outcome();
        fails(&port, "caddy-quit", &["it is ready on localhost:2019, but nothing listens on localhost:2020: "]);
        let path = job("caddy-quit").env("HOOK_CADDY_QUIT_URL", "http://localhost:2019/end").outcome();
        fails(&path, "caddy-quit", &["localhost:2019/end answered 404", "HOOK_CADDY_QUIT_URL sets port and path"]);
        sidecar.stays();
        // Whoever says that there is none is wrong, and the sidecar quits anyway.
        let wrong = job("caddy-quit").env("HOOK_CADDY_SIDECAR", "").outcome();
        wrong.exits(0).says("though HOOK_CADDY_SIDECAR is empty").says("answered 200: the sidecar quits");
        sidecar.ends();
    });
}
