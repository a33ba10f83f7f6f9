//! Input of any kind: what is none, what is odd, and what is secret.

use crate::{doctor, fixture, job, told};
use serde_json::{Value, json};
use std::fs;

#[test]
fn input_that_is_none_is_told_in_one_sentence() {
    let expected = "expected is what `kubectl get job,pod -o json` prints, or manifests as YAML\n";
    for (input, says) in [
        (&b""[..], "stdin is empty; "),
        (b"---\n---\n", "stdin is empty; "),
        (b"hello", "stdin has no object of Kubernetes in it; "),
        (b"{\"kind\": \"Pod\",", "stdin is not JSON: EOF while parsing a value at line 1 column 15; "),
        (b"kind: [Pod\nmetadata", "stdin is not YAML: "),
        (b"\xff\xfe", "stdin is not UTF-8; "),
    ] {
        let outcome = told(&[], input);
        outcome.exits(1).says(&format!("wrapper-plugin: error: {says}")).says(expected);
        assert_eq!((outcome.stderr.lines().count(), outcome.stdout.as_str()), (1, ""), "{outcome:#?}");
    }
    for (input, says) in [
        (r#"{"kind":"List","items":[]}"#, "there is no pod in what was given; expected are Jobs, CronJobs, Pods"),
        (
            "kind: ConfigMap\n---\nkind: Secret\n",
            "there is no pod in what was given, but ConfigMap, Secret; expected are Jobs",
        ),
        ("kind: Job\n", "there is no pod in what was given, but Job without containers; expected are"),
    ] {
        told(&[], input).exits(1).says(says);
    }
    doctor(&["/nonexistent.yaml"]).exits(1).says("error: cannot read /nonexistent.yaml: No such file or directory\n");
    doctor(&["/"]).exits(1).says("error: cannot read /: it is a folder; name the files in it\n");
    doctor(&["/dev/zero"]).exits(1).says("error: cannot read /dev/zero: it has more than 64 MiB; give it in parts");
}

#[test]
fn a_file_and_stdin_may_be_read_together() {
    let outcome = told(&[&fixture("istio-wrapped"), "-"], fs::read(fixture("collector")).unwrap());
    assert!(outcome.exits(1).stdout.ends_with("2 pods: ends 1, may not end 0, does not end 1\n"), "{outcome:#?}");
}

/// The object with each of its values, one at a time, replaced.
fn altered(value: &Value, with: &Value, done: &mut dyn FnMut(Value)) {
    done(with.clone());
    match value {
        Value::Object(map) => map.iter().for_each(|(name, inner)| {
            altered(inner, with, &mut |inner| {
                let mut map = map.clone();
                map[name] = inner;
                done(Value::Object(map));
            });
        }),
        Value::Array(items) => (0..items.len()).for_each(|at| {
            altered(&items[at], with, &mut |inner| {
                let mut items = items.clone();
                items[at] = inner;
                done(Value::Array(items));
            });
        }),
        _ => {}
    }
}

#[test]
fn whatever_a_field_is_it_gets_an_answer() {
    let odd = [
        json!(null),
        json!(-1),
        json!(1e99),
        json!("\u{202e}\n\"$(A)"),
        json!([[]]),
        json!([{}]),
        json!({ "a": {} }),
        json!(true),
    ];
    for name in ["image-volume", "consul-port", "out-of-memory"] {
        let object: Value = serde_json::from_slice(&fs::read(fixture(name)).unwrap()).unwrap();
        for with in &odd {
            let mut items = vec![object.clone()];
            altered(&object, with, &mut |altered| items.push(altered));
            assert!(items.len() > 80, "{}", items.len());
            for arguments in [&["--json"][..], &["--notes"]] {
                let outcome = told(arguments, json!({ "kind": "List", "items": items }).to_string());
                outcome.exits(1);
                assert_eq!(outcome.stderr, "", "{name} {with}");
                assert!(!outcome.stdout.contains('\u{202e}') || arguments == ["--json"], "{name} {with}");
            }
        }
    }
}

#[test]
fn values_of_variables_are_not_told_but_the_wrappers() {
    let env = |name: &str, value: &str| json!({ "name": name, "value": value });
    let spec = json!({ "restartPolicy": "Never", "containers": [
        { "name": "j", "command": ["/wrapper", "/j"], "env": [
            env("TOKEN", "hunter2"),
            env("HOOK_ISTIO_SIDECAR", "hunter3"),
            env("WRAPPER_GRACE", "soon"),
        ] },
        { "name": "istio-proxy", "image": "proxyv2", "env": [env("SECRET", "hunter4")] },
    ]});
    for arguments in [&["--json"][..], &["--notes"]] {
        let outcome = told(arguments, job(&spec));
        assert!(outcome.exits(1).stdout.contains("'soon' is not a duration"), "{outcome:#?}");
        assert!(!outcome.stdout.contains("hunter"), "{outcome:#?}");
    }
}
