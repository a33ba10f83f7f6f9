//! `--report`: an account of the run, whole or not at all, and never in the way of the exit code.

use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
};
use wrapper_tests::{HOSTILE, Run, run};

/// The account of a run with these arguments, and its exit code.
fn account(arguments: &[&str], more: impl FnOnce(Run) -> Run) -> (Value, i32) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    let outcome = more(run(["--report", path.to_str().unwrap()].iter().chain(arguments))).outcome();
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}: {outcome:#?}"));
    assert!(text.len() <= 4096 && text.ends_with("}\n"), "{text}");
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["report"]);
    (serde_json::from_str(&text).unwrap(), outcome.code)
}

fn plain(run: Run) -> Run {
    run
}

#[test]
fn it_tells_of_the_job_and_of_each_hook() {
    let hook = format!("{HOSTILE},timeout=300ms");
    let arguments = ["--plugin", "echo", "--plugin", &hook, "-e", "3=4", "sh", "-c", "sleep 0.1; exit 3"];
    let (account, code) = account(&arguments, |run| run.env("HOOK_AFTER", "spin"));
    assert_eq!((code, &account["exit-code"]), (4, &json!(4)));
    assert_eq!(account["version"], 1);
    assert_eq!(account["command"], "sh");
    assert_eq!(account["status"], json!({ "kind": "exited", "code": 3 }));
    assert!(account["pid"].as_u64().unwrap() > 1);
    assert!(account["started-at"].as_str().unwrap().ends_with('Z'), "{account}");
    let ran = account["duration-ms"].as_f64().unwrap();
    assert!((100. ..5_000.).contains(&ran), "{ran}");
    let [before, echo, hostile] = account["hooks"].as_array().unwrap().as_slice() else { panic!("{account}") };
    assert_eq!((&before["plugin"], &before["hook"]), (&json!("hostile"), &json!("before-start")));
    assert_eq!(
        (&echo["plugin"], &echo["hook"], &echo["result"], &echo["message"]),
        (&json!("echo"), &json!("after-exit"), &json!("done"), &Value::Null)
    );
    assert!(echo["memory-bytes"].as_u64().unwrap() >= 1 << 16 && hostile["memory-bytes"].is_null(), "{account}");
    assert_eq!((&hostile["plugin"], &hostile["result"]), (&json!("hostile"), &json!("failed")));
    assert_eq!(hostile["message"], "stopped at its deadline; timeout= allows more");
    assert!(hostile["duration-ms"].as_f64().unwrap() >= 290., "{account}");
}

#[test]
fn it_tells_of_a_signal_and_of_a_job_that_was_not_started() {
    let (killed, code) = account(&["--plugin", "none", "sh", "-c", "kill -KILL $$"], plain);
    assert_eq!((code, &killed["exit-code"]), (137, &json!(137)));
    assert_eq!(killed["status"], json!({ "kind": "signaled", "signal": 9, "core-dumped": false }));
    assert_eq!(killed["hooks"], json!([]));

    let (absent, code) = account(&["--plugin", "echo", "/no/such/command"], plain);
    assert_eq!((code, &absent["exit-code"]), (127, &json!(127)));
    assert_eq!(absent["status"]["kind"], "not-started");
    assert!(absent["status"]["reason"].as_str().unwrap().contains("No such file"), "{absent}");
    assert_eq!([&absent["pid"], &absent["started-at"], &absent["duration-ms"]], [&Value::Null; 3]);
    assert_eq!(absent["hooks"][0]["result"], "done");

    let (held, code) = account(&["--plugin", HOSTILE, "true"], |run| run.env("HOOK_BEFORE", "trap"));
    assert_eq!(code, 125);
    assert_eq!((&held["hooks"][0]["hook"], &held["hooks"][0]["result"]), (&json!("before-start"), &json!("failed")));

    let (refused, code) = account(&["--plugin", "/no/such.wasm", "true"], plain);
    assert_eq!((code, &refused["status"]["kind"]), (125, &json!("not-started")));

    let (failed, code) =
        account(&["--plugin", HOSTILE, "--on-hook-failure", "fail", "true"], |run| run.env("HOOK_AFTER", "trap"));
    assert_eq!((code, &failed["exit-code"]), (125, &json!(125)));
    assert_eq!(failed["status"], json!({ "kind": "exited", "code": 0 }));
}

#[test]
fn long_messages_are_cut_so_that_kubernetes_shows_all_of_it() {
    let arguments: Vec<_> = [["--plugin", HOSTILE]; 12].concat().into_iter().chain(["true"]).collect();
    let (account, _) = account(&arguments, |run| run.env("HOOK_AFTER", "fail-long"));
    let hooks = account["hooks"].as_array().unwrap().iter().filter(|hook| hook["hook"] == "after-exit");
    let hooks: Vec<_> = hooks.collect();
    assert_eq!(hooks.len(), 12);
    assert!(hooks.iter().all(|hook| hook["message"].as_str().unwrap().ends_with("...")), "{account}");
}

#[test]
fn it_is_replaced_at_once_where_that_can_be_and_written_into_where_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    let report = |path: &Path| run(["--plugin", "none", "--report", path.to_str().unwrap(), "true"]);
    let is_account = |path: &Path| fs::read_to_string(path).unwrap().starts_with("{\"command\":\"true\"");

    fs::write(&path, "x".repeat(9_000)).unwrap();
    let before = fs::metadata(&path).unwrap().ino();
    report(&path).outcome().exits(0).never_says("cannot");
    assert!(is_account(&path) && fs::metadata(&path).unwrap().ino() != before);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);

    // Its mode is kept, and so is a second name.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    report(&path).outcome().exits(0);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let second = folder.path().join("second");
    fs::write(&path, "x".repeat(9_000)).unwrap();
    fs::hard_link(&path, &second).unwrap();
    report(&path).outcome().exits(0);
    assert!(is_account(&second) && fs::metadata(&path).unwrap().nlink() == 2);

    // As the kubelet does with /dev/termination-log: a file that is mounted over another.
    let mounted = folder.path().join("mounted");
    fs::write(&mounted, "x".repeat(9_000)).unwrap();
    fs::write(folder.path().join("source"), "x".repeat(9_000)).unwrap();
    let script = format!("mount --bind {}/source {} && exec \"$0\" \"$@\"", folder.path().display(), mounted.display());
    report(&mounted).under(&["unshare", "--mount", "sh", "-c", &script]).outcome().exits(0).never_says("cannot");
    assert!(is_account(&folder.path().join("source")));

    // A link is written through, and stays one.
    let link = folder.path().join("link");
    symlink("target", &link).unwrap();
    report(&link).outcome().exits(0);
    assert!(is_account(&folder.path().join("target")) && link.is_symlink());

    // The working directory is the caller's, though the wrapper leaves it.
    let arguments = ["-C", folder.path().to_str().unwrap()];
    run(["--plugin", "none", "--report", "here", "true"])
        .under(&[&["env"][..], &arguments].concat())
        .outcome()
        .exits(0);
    assert!(is_account(&folder.path().join("here")));
    assert_eq!(report(Path::new("/dev/stdout")).outcome().exits(0).stdout.lines().count(), 1);

    // What the job has written to a file is not lost by it, nor what stood there before, nor what comes after.
    for stream in ["/dev/stdout", "/dev/stderr"] {
        let out = folder.path().join("out");
        fs::write(&out, "before\n").unwrap();
        let script = format!("(\"$0\" \"$@\"; echo after) >>{0} 2>>{0}", out.display());
        let job = ["--plugin", "none", "--log-level", "error", "--report", stream, "echo", "from the job"];
        run(job).under(&["sh", "-c", &script]).outcome().exits(0);
        let text = fs::read_to_string(&out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(
            matches!(lines[..], ["before", "from the job", account, "after"] if account.starts_with('{')),
            "{text}"
        );
    }
}

#[test]
fn where_it_cannot_be_written_a_warning_says_so_and_the_code_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let path = std::ffi::CString::new(pipe.to_str().unwrap()).unwrap();
    // SAFETY: the path is a C string.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    for (path, why) in [
        ("/no/such/folder/report", "No such file or directory"),
        ("/proc/report", "No such file or directory"),
        ("/dev/full", "No space left on device"),
        (folder.path().to_str().unwrap(), "Is a directory"),
        // Nobody reads it.
        (pipe.to_str().unwrap(), "No such device or address"),
    ] {
        let outcome = run(["--plugin", "none", "--report", path, "sh", "-c", "exit 3"]).outcome();
        outcome.exits(3).says(&format!("warning: the report cannot be written to {path}: {why}\n"));
    }
}

#[test]
fn a_working_directory_that_was_removed_does_not_keep_the_job_from_starting() {
    let shell = "cd \"$(mktemp -d)\" && rmdir \"$PWD\" && exec \"$0\" \"$@\"";
    run(["--plugin", "none", "--report", "report.json", "sh", "-c", "exit 3"])
        .under(&["sh", "-c", shell])
        .outcome()
        .exits(3)
        .says("the report cannot be written to report.json: there is no working directory");
    assert!(!std::path::Path::new("/report.json").exists());
}

#[test]
fn a_report_to_the_jobs_own_stdout_comes_after_what_the_job_said() {
    // A job that lasts, and one that does not; a hook in whose time the wrapper has let go of other streams.
    for job in ["echo x", "sleep 0.2; echo x"] {
        let outcome = run(["--plugin", "echo", "--report", "/dev/stdout", "sh", "-c", job]).outcome();
        let (said, report) = outcome.exits(0).stdout.split_once('\n').unwrap();
        assert_eq!(said, "x");
        assert_eq!(serde_json::from_str::<Value>(report).unwrap()["exit-code"], 0);
    }
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    let script = "mount -t tmpfs -o size=8k none /mnt && echo earlier >/mnt/report && ! head -c 9000 /dev/zero >/mnt/full \
                  && \"$0\" \"$@\"; code=$?; ls -A /mnt; cat /mnt/report; exit $code";
    let outcome = run(["--plugin", "none", "--report", "/mnt/report", "sh", "-c", "exit 3"])
        .under(&["unshare", "--mount", "sh", "-c", script])
        .outcome();
    outcome.exits(3).says("the report cannot be written to /mnt/report: No space left on device");
    assert_eq!(outcome.stdout, "full\nreport\nearlier\n");
}

#[test]
fn the_document_lists_the_fields_that_there_are() {
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/report.md")).unwrap();
    let mut described: Vec<_> =
        document.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect();
    let mut real = Vec::new();
    for arguments in [
        &["--plugin", "echo", "true"][..],
        &["--plugin", "echo", "sh", "-c", "kill -KILL $$"],
        &["--plugin", "echo", "/no/such/command"],
    ] {
        paths(&account(arguments, plain).0, "", &mut real);
    }
    for paths in [&mut described, &mut real] {
        paths.sort();
        paths.dedup();
    }
    assert_eq!(described, real);
}

/// The path of each value that is no object, as `hooks[].plugin`.
fn paths(value: &Value, path: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                paths(value, &if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, all);
            }
        }
        Value::Array(values) if !values.is_empty() => {
            values.iter().for_each(|value| paths(value, &format!("{path}[]"), all));
        }
        _ => all.push(path.to_owned()),
    }
}
