//! Native sidecars, which the kubelet ends itself: the wrapper beside them costs nothing and changes nothing.

use crate::{Case, Row, env_of, job, merge, row};
use serde_json::{Value, json};
use wrapper_tests::cluster::{Space, status};

pub const CASES: &[Case] = &[
    Case { tried: "a native Envoy, `WRAPPER_PLUGIN_PATH=none`", run: |space| native(space, "none", false) },
    Case {
        tried: "a native Envoy that is asked to quit all the same",
        run: |space| native(space, "istio-wait:istio-quit", false),
    },
    Case { tried: "a native Envoy and two containers, `none` in both", run: |space| native(space, "none", true) },
    Case {
        tried: "a native Envoy and two containers, of which the first asks it to quit",
        run: |space| native(space, "istio-quit", true),
    },
];

fn native(space: &Space, plugins: &str, two: bool) -> Row {
    let proxy = json!([{
        "name": "istio-proxy", "image": "registry.example.com/envoy:1", "imagePullPolicy": "Never", "restartPolicy": "Always",
        "startupProbe": { "httpGet": { "path": "/healthz/ready", "port": 15021, "host": "127.0.0.1" }, "periodSeconds": 1 },
    }]);
    let container = |name: &str, line: &str, plugins: &str| {
        let mut container =
            json!({ "command": ["/wrapper", "sh", "-c", line], "env": env_of(&[("WRAPPER_PLUGIN_PATH", plugins)]) });
        merge(
            &mut container,
            json!({ "name": name, "image": "registry.example.com/my-job:1", "imagePullPolicy": "Never" }),
        );
        container
    };
    let mut containers: Vec<Value> = vec![container("my-job", "sleep 1", plugins)];
    containers.extend(two.then(|| container("other", "sleep 6", "none")));
    let mut proxy = proxy;
    // Its ports are of loopback, which no probe reaches: it is ready when it runs.
    proxy[0].as_object_mut().unwrap().remove("startupProbe");
    let spec = json!({ "template": { "metadata": { "labels": { "sidecar.istio.io/inject": "false" } } } });
    space.apply(&job(json!({}), json!({ "initContainers": proxy, "containers": containers }), spec));
    let row = row(space, "my-job", "my-job", 60);
    assert_eq!(row.happened, "Complete; exit code 0", "{}", space.account("my-job"));
    let restarts = status(&space.pods("my-job")[0], "istio-proxy")["restartCount"].clone();
    assert!(plugins != "none" || restarts == 0, "{}", space.account("my-job"));
    Row {
        happened: format!("{}; the sidecar was restarted {} times", row.happened, restarts),
        after_job: String::new(),
        ..row
    }
}
