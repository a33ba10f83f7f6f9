//! Each rule, by the smallest change that makes it speak.

use crate::{
    patch::{merge, merged},
    read, told,
};
use serde_json::{Value, json};

/// What is found in a pod of a Job, whose job has `restartPolicy: Never` and asks Istio for its sidecar.
fn found(container: Value, changes: Value) -> (String, Vec<String>) {
    let mut template = json!({
        "metadata": { "labels": { "sidecar.istio.io/inject": "true" } },
        "spec": { "restartPolicy": "Never", "containers": [{ "name": "j", "command": ["/wrapper", "/j"], "env": [
            { "name": "HOOK_ISTIO_SIDECAR", "value": "true" },
        ] }] },
    });
    merge(&mut template["spec"]["containers"][0], &container);
    merge(&mut template, &changes);
    let job = json!({ "kind": "Job", "metadata": { "name": "j" }, "spec": { "template": template } });
    let facts = read(&told(&["--json"], job.to_string()));
    let findings = facts["pods"][0]["findings"].as_array().unwrap().iter();
    let ids = findings.map(|finding| finding["id"].as_str().unwrap().to_owned()).filter(|id| id != "injected");
    (facts["pods"][0]["verdict"].as_str().unwrap().to_owned(), ids.collect())
}

#[test]
fn each_rule_knows_its_case() {
    let plain = || json!({});
    let env = |name: &str, value: &str| json!({ "env": [{ "name": name, "value": value }] });
    let marks = |key: &str, value: &str| json!({ "metadata": { "annotations": { key: value } } });
    let sidecar = |image: &str| json!({ "spec": { "containers": [{ "name": "s", "image": image }] } });
    let install = |volume: Value, mount: Value| {
        json!({ "spec": {
            "volumes": [merged(json!({ "name": "v" }), volume)],
            "initContainers": [{ "name": "i", "image": "wrapper", "args": ["--install", "/v/wrapper"], "volumeMounts": [
                merged(json!({ "name": "v", "mountPath": "/v" }), mount),
            ] }],
        } })
    };
    let from_volume =
        || json!({ "command": ["/v/wrapper", "/j"], "volumeMounts": [{ "name": "v", "mountPath": "/v" }] });
    let plugin = |spec: &str| env("WRAPPER_PLUGIN_PATH", spec);
    let limit = |limit: &str| json!({ "resources": { "limits": { "memory": limit } } });
    let cases = [
        (plain(), plain(), "ends", &[][..]),
        // Who quits.
        (plugin("none"), plain(), "may not end", &["no-quit"]),
        (json!({ "command": ["/j"], "env": null }), plain(), "may not end", &["no-wrapper"]),
        (json!({ "command": null, "env": null }), plain(), "may not end", &["no-wrapper"]),
        (json!({ "command": ["/usr/bin/tini", "--", "/wrapper", "/j"] }), plain(), "ends", &[]),
        (json!({ "command": ["scuttle", "/j"], "env": null }), plain(), "may not end", &["quits-itself"]),
        (plain(), marks("sidecar.istio.io/inject", "false"), "ends", &[]),
        (plain(), marks("sidecar.istio.io/nativeSidecar", "true"), "ends", &["native-asked"]),
        (plugin("none"), marks("sidecar.istio.io/nativeSidecar", "true"), "ends", &["native"]),
        (plugin("istio-quit,on=failure"), plain(), "may not end", &["quit-conditional"]),
        (plugin("istio-quit,port=1"), plain(), "does not end", &["other-port"]),
        (plugin("istio-envoy-quit"), plain(), "may not end", &["variable-missing"]),
        (plugin("/hooks/istio-quit.wasm"), plain(), "ends", &[]),
        (
            json!({ "env": [
                { "name": "WRAPPER_PLUGIN_PATH", "value": "http-quit" },
                { "name": "HOOK_HTTP_QUIT_URL", "value": "http://localhost:15020/quitquitquit" },
                { "name": "HOOK_HTTP_SIDECAR", "value": "true" },
            ] }),
            plain(),
            "ends",
            &[],
        ),
        (
            json!({ "envFrom": [{ "configMapRef": { "name": "c" } }], "env": null }),
            sidecar("caddy:2"),
            "may not end",
            &["no-quit", "variable-missing"],
        ),
        (plain(), sidecar("quay.io/wiremock/wiremock:3"), "does not end", &["no-quit"]),
        (plain(), sidecar("busybox"), "ends", &["unknown-container"]),
        // Endpoints.
        (plain(), marks("status.sidecar.istio.io/port", "0"), "does not end", &["no-endpoint"]),
        (plain(), marks("inject.istio.io/templates", "grpc-agent"), "does not end", &["no-endpoint"]),
        (plain(), sidecar("gcr.io/cloudsql-docker/gce-proxy:1.33"), "does not end", &["no-endpoint"]),
        (plain(), marks("kuma.io/sidecar-injection", "enabled"), "may not end", &["no-quit", "version-unknown"]),
        (plain(), marks("sidecar.opentelemetry.io/inject", "sidecar"), "may not end", &["no-endpoint"]),
        // Whether it is known.
        (env("HOOK_ISTIO_SIDECAR", "false"), plain(), "may not end", &["variable-wrong"]),
        (plugin("istio-wait:istio-quit"), plain(), "ends", &[]),
        (
            json!({ "env": null, "command": ["/wrapper", "--plugin", "istio-wait", "--plugin", "istio-quit", "/j"] }),
            plain(),
            "ends",
            &["variable-missing"],
        ),
        (
            json!({ "env": [{ "name": "HOOK_ISTIO_SIDECAR", "valueFrom": { "secretKeyRef": {} }, "value": null }] }),
            plain(),
            "ends",
            &["setting-unknown"],
        ),
        // Time.
        (env("WRAPPER_HOOK_TIMEOUT", "30s"), plain(), "ends", &["grace-short"]),
        (env("WRAPPER_HOOK_TIMEOUT", "30s"), json!({ "spec": { "terminationGracePeriodSeconds": 31 } }), "ends", &[]),
        // Places.
        (from_volume(), install(json!({ "emptyDir": {} }), plain()), "ends", &[]),
        (
            from_volume(),
            install(json!({ "emptyDir": {} }), json!({ "readOnly": true })),
            "does not end",
            &["install-lost"],
        ),
        (from_volume(), install(json!({ "hostPath": { "path": "/x" } }), plain()), "may not end", &["install-owner"]),
        (
            json!({ "command": ["/wrapper", "--report", "/dev/termination-log", "/j"], "securityContext": { "readOnlyRootFilesystem": true } }),
            plain(),
            "ends",
            &[],
        ),
        (
            merged(plugin("/v/x.cwasm:istio-quit"), json!({ "volumeMounts": [{ "name": "v", "mountPath": "/v" }] })),
            json!({ "spec": { "volumes": [{ "name": "v", "image": { "reference": "x:1" } }] } }),
            "ends",
            &["noexec-code", "not-pinned"],
        ),
        // Memory.
        (limit("4Mi"), plain(), "ends", &["memory-small", "memory-group"]),
        (limit("64Mi"), json!({ "spec": { "activeDeadlineSeconds": 60 } }), "ends", &[]),
        // The Job, and what it makes of a pod that hangs.
        (plugin("none"), json!({ "spec": { "activeDeadlineSeconds": 60 } }), "may not end", &["no-quit", "deadline"]),
        (plain(), json!({ "spec": { "restartPolicy": "Always" } }), "ends", &["restart-policy"]),
        (
            json!({ "command": ["/wrapper", "--hook-timeuot", "1s", "/j"] }),
            plain(),
            "does not end",
            &["settings-rejected"],
        ),
        (
            json!({ "command": ["/wrapper-slim", "--plugin", "/x.wasm", "--plugin", "istio-quit", "/j"] }),
            plain(),
            "ends",
            &["settings-rejected"],
        ),
    ];
    for (container, changes, verdict, ids) in cases {
        let shown = format!("{container} {changes}");
        let (real, found) = found(container, changes);
        assert_eq!((real.as_str(), found), (verdict, ids.iter().map(|id| (*id).to_owned()).collect()), "{shown}");
    }
}
