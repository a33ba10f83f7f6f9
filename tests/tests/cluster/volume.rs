//! The wrapper runs from an image volume: nothing is copied into the job's image or into the pod.

use crate::{Case, Row, VERSION, env_of, job, known, row};
use serde_json::{Value, json};
use wrapper_tests::cluster::Space;

pub const CASES: &[Case] = &[
    Case { tried: "the full wrapper", run: |space| from_volume(space, "wrapper", &[], true) },
    Case { tried: "the slim wrapper", run: |space| from_volume(space, "wrapper-slim", &[], true) },
    Case { tried: "mounted without `readOnly: true`", run: |space| from_volume(space, "wrapper", &[], false) },
    Case {
        tried: "a plugin of a second image volume, as machine code (`native=true`)",
        run: |space| {
            from_volume(
                space,
                "wrapper",
                &["--plugin", "/plugins/echo.wasm,native=true", "--plugin", "istio-quit"],
                true,
            )
        },
    },
];

fn from_volume(space: &Space, image: &str, options: &[&str], is_read_only: bool) -> Row {
    let volume = |name: &str, image: &str| {
        let reference = format!("registry.example.com/{image}:{VERSION}");
        json!({ "name": name, "image": { "reference": reference, "pullPolicy": "Never" } })
    };
    let mut command = vec!["/wrapper-bin/wrapper"];
    command.extend(options);
    command.extend(["sh", "-c", "touch /wrapper-bin/x || echo read-only"]);
    let mut variables: Vec<Value> = vec![known()];
    if options.is_empty() {
        variables.extend(env_of(&[("WRAPPER_PLUGIN_PATH", "istio-wait:istio-quit")]).as_array().unwrap().clone());
    }
    let container = json!({
        "image": "docker.io/library/busybox:1.37", "command": command, "env": variables,
        "volumeMounts": [
            { "name": "wrapper-bin", "mountPath": "/wrapper-bin", "readOnly": is_read_only },
            { "name": "plugins", "mountPath": "/plugins", "readOnly": true },
        ],
    });
    let mut pod = json!({ "volumes": [volume("wrapper-bin", image), volume("plugins", "wrapper-plugins")] });
    // In place of the image that `job` would set.
    pod["containers"] = json!([{ "name": "my-job", "imagePullPolicy": "Never" }]);
    crate::merge(&mut pod["containers"][0], container);
    space.apply(&job(json!({}), pod, json!({})));
    let row = row(space, "my-job", "my-job", 60);
    assert_eq!(row.happened, "Complete; exit code 0", "{}", space.account("my-job"));
    // An image is not written to, whatever the mount says.
    assert!(space.log("my-job", "my-job").contains("read-only"), "{}", space.account("my-job"));
    row
}
