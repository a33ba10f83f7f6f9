//! `--install`: the wrapper puts a copy of itself where it is told to, whole or not at all.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use wrapper_tests::{Outcome, dist, run, wrapper};

#[test]
fn it_installs_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrapper");
    let install = |path: &Path, more: &[&str]| -> Outcome {
        run(["--install", path.to_str().unwrap()].iter().chain(more)).outcome()
    };
    install(&path, &[]).exits(0);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o755);
    assert!(fs::read(&path).unwrap() == fs::read(wrapper()).unwrap());
    // Over another wrapper, and while that runs.
    let mut running = Command::new(&path).args(["--plugin", "none", "sleep", "61"]).spawn().unwrap();
    install(&path, &[]).exits(0);
    // SAFETY: no pointers; the child is not waited for yet.
    unsafe { libc::kill(running.id() as libc::pid_t, libc::SIGTERM) };
    running.wait().unwrap();

    let other = folder.path().join("precious");
    fs::write(&other, "data").unwrap();
    install(&other, &[]).exits(125).says("precious is there already and is not a wrapper; remove it, or say --force");
    assert_eq!(fs::read(&other).unwrap(), b"data");
    install(&other, &["--force"]).exits(0);
    assert!(fs::read(&other).unwrap() == fs::read(&path).unwrap());
    install(folder.path(), &[]).exits(125).says("is a folder; name the file, such as ");
    install(&folder.path().join("no/such/folder/wrapper"), &[]).exits(125).says("No such file or directory");
    install(Path::new("/proc/wrapper"), &[]).exits(125);
    // What is no file is not read: a pipe would wait for a writer.
    install(Path::new("/dev/zero"), &[]).exits(125).says("is not a wrapper");
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    install(&link, &[]).exits(125).says("is not a wrapper");
    fs::remove_file(&link).unwrap();
    install(&path, &["true"]).exits(125).says("cannot be used with");
    // Whole or not at all: nothing else is left in the folder.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn where_it_is_installed_already_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrapper");
    let install = || run(["--install", path.to_str().unwrap()]).outcome().exits(0).code;
    let inode = || fs::metadata(&path).unwrap().ino();
    install();
    let first = inode();
    install();
    assert_eq!(inode(), first);
    // But where it could not be run, or is another build of it.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    install();
    assert_ne!(inode(), first);
    fs::copy(dist("wrapper-slim"), &path).unwrap();
    install();
    assert!(fs::read(&path).unwrap() == fs::read(wrapper()).unwrap());
}

#[test]
fn what_is_there_is_not_read_if_it_is_larger_than_any_wrapper() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse");
    fs::File::create(&path).unwrap().set_len(3 << 30).unwrap();
    let install = run(["--install", path.to_str().unwrap()]).outcome();
    install.exits(125).says("sparse is there already and is not a wrapper").within(Duration::from_secs(2));
    run(["--install", path.to_str().unwrap(), "--force"]).outcome().exits(0).within(Duration::from_secs(2));
    assert!(fs::read(&path).unwrap() == fs::read(wrapper()).unwrap());
}

#[test]
fn a_link_to_a_wrapper_is_replaced_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("wrapper"), folder.path().join("other"));
    run(["--install", other.to_str().unwrap()]).outcome().exits(0);
    std::os::unix::fs::symlink("other", &path).unwrap();
    run(["--install", path.to_str().unwrap()]).outcome().exits(0);
    assert!(path.symlink_metadata().unwrap().is_file());
}

#[test]
fn who_is_asked_to_end_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrapper");
    // Early, late, and at all moments between.
    for micros in (0..20_000).step_by(500) {
        let mut child = run(["--install", path.to_str().unwrap()]).start();
        std::thread::sleep(Duration::from_micros(micros));
        // SAFETY: no pointers; the child is not waited for yet.
        unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) };
        let status = child.wait().unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| name == "wrapper"), "{names:?} after {micros} us: {status}");
        if path.exists() {
            assert!(fs::read(&path).unwrap() == fs::read(wrapper()).unwrap());
            fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
fn it_says_in_the_form_of_the_log_if_it_cannot_be_run_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrapper");
    let install = || run(["--install", path.to_str().unwrap()]).env("WRAPPER_LOG_FORMAT", "json");
    assert_eq!(install().outcome().exits(0).stderr, "");
    // Both when it is copied and when it is there already.
    for _ in 0..2 {
        let outcome = install().with_noexec(folder.path()).outcome();
        let line: serde_json::Value = serde_json::from_str(&outcome.exits(0).stderr).unwrap();
        assert!(line["message"].as_str().unwrap().contains("mounted noexec"), "{line}");
        fs::remove_file(&path).unwrap();
    }
    fs::write(&path, "data").unwrap();
    let outcome = install().outcome();
    let line: serde_json::Value = serde_json::from_str(&outcome.exits(125).stderr).unwrap();
    assert_eq!(line["level"], "ERROR");
}

#[test]
fn a_disk_without_room_for_a_copy_keeps_what_was_there() {
    let script = "mount -t tmpfs -o size=1m none \"$1\" && cp /bin/true \"$1/wrapper\" && exec \"$0\" --install \"$1/wrapper\" --force";
    let folder = tempfile::tempdir().unwrap();
    let outcome = run([""; 0])
        .with(|command| {
            let mut shell = Command::new("unshare");
            shell
                .args(["--mount", "sh", "-c", &format!("{script} || {{ ls \"$1\"; exit 9; }}")])
                .arg(wrapper())
                .arg(folder.path());
            shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            *command = shell;
        })
        .outcome();
    outcome.exits(125).says("No space left on device");
}
