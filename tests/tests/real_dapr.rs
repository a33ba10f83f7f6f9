//! The plugins for Dapr against a real daprd, which `scripts/setup dapr` builds. Without it these tests are skipped.

use std::time::Duration;
use wrapper_tests::{Outcome, Program, Run, Sidecar, own_network, run, skip};

fn daprd() -> Program {
    let arguments = ["--mode=standalone", "--app-id=job", "--dapr-http-port=3500", "--resources-path=resources"];
    Program::new("sidecars/daprd", &arguments).env("DAPR_HOST_IP", "127.0.0.1").file("resources/none", "")
}

/// A run next to a daprd in a network of its own.
fn with(program: Program, test: impl FnOnce(Sidecar)) {
    // It takes minutes to build, so that it is no part of what must be there.
    if let Some(why) = program.missing() {
        return skip(&why);
    }
    own_network();
    test(program.start());
}

fn job(plugins: &[&str]) -> Run {
    let plugins = plugins.iter().flat_map(|&plugin| ["--plugin", plugin]);
    run(plugins.chain(["--on-hook-failure", "fail", "true"])).env("HOOK_SIDECAR", "true")
}

#[track_caller]
fn fails(outcome: &Outcome, parts: &[&str]) {
    outcome.exits(125).says("dapr-quit: warning: failed in ").never_says("s3cret");
    for part in parts {
        outcome.says(part);
    }
}

#[test]
fn daprd_is_waited_for_and_quits() {
    with(daprd(), |mut sidecar| {
        let outcome = job(&["dapr-wait", "dapr-quit"]).env("HOOK_QUIT_WAIT", "10s").outcome();
        outcome.exits(0).says("dapr-wait: localhost:3500 answered 204: Dapr is ready").never_says("warning");
        outcome.says("dapr-quit: localhost:3500 answered 204: the sidecar quits").says("no longer listens after ");
        sidecar.ends();
    });
}

#[test]
fn a_daprd_that_starts_when_the_job_is_over_quits() {
    if let Some(why) = daprd().missing() {
        return skip(&why);
    }
    own_network();
    let late = daprd().start_after(Duration::from_secs(1));
    let outcome = job(&["dapr-quit"]).outcome();
    outcome.exits(0).never_says("warning").says("nothing listens on localhost:3500 yet: asking again for at most ");
    outcome.says("answered 204: the sidecar quits");
    late.join().unwrap().ends();
}

#[test]
fn a_token_that_is_missing_or_wrong_is_a_failure_that_tells_which() {
    with(daprd().env("DAPR_API_TOKEN", "s3cret"), |mut sidecar| {
        // Its health needs no token.
        let missing = job(&["dapr-wait", "dapr-quit"]).outcome();
        fails(&missing, &["dapr-wait: localhost:3500 answered 204", "/v1.0/shutdown answered 401"]);
        missing.says("its API has a token; give it as HOOK_DAPR_API_TOKEN");
        let wrong = job(&["dapr-quit"]).env("HOOK_DAPR_API_TOKEN", "another").outcome();
        fails(&wrong, &["answered 401", "HOOK_DAPR_API_TOKEN"]);
        wrong.never_says("its API has a token; give it");
        sidecar.stays();
        let right = job(&["dapr-quit"]).env("HOOK_DAPR_API_TOKEN", "s3cret").outcome();
        right.exits(0).says("answered 204: the sidecar quits").never_says("s3cret");
        sidecar.ends();
    });
}

#[test]
fn a_list_of_apis_that_leaves_shutdown_out_is_a_failure_that_names_what_to_add() {
    let api = |name: &str| format!("{{ name: {name}, version: v1.0, protocol: http }}");
    let with_apis = |apis: String| {
        let head = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: { name: config }\n";
        daprd()
            .arguments(&["--config=config.yaml"])
            .file("config.yaml", &format!("{head}spec: {{ api: {{ {apis} }} }}\n"))
    };
    // With service invocation allowed, the answer is that of an invocation of nobody; without, there is no such page.
    for apis in [
        format!("allowed: [{}, {}]", api("state"), api("invoke")),
        format!("denied: [{}]", api("shutdown")),
        format!("allowed: [{}]", api("state")),
    ] {
        with(with_apis(apis), |mut sidecar| {
            let outcome = job(&["dapr-wait", "dapr-quit"]).outcome();
            fails(&outcome, &["/v1.0/shutdown answered 404", "spec.api.allowed"]);
            sidecar.stays();
        });
    }
    with(with_apis(format!("allowed: [{}, {}]", api("state"), api("shutdown"))), |mut sidecar| {
        job(&["dapr-wait", "dapr-quit"]).outcome().exits(0).says("answered 204: the sidecar quits");
        sidecar.ends();
    });
}
