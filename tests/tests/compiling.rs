//! A plugin that is not compiled yet: checked before the job starts, compiled while it runs, kept where that is asked for.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use wrapper_tests::{
    Outcome, Run, Running, children, dist,
    guests::{MEMORY, hook},
    run, wait_until,
};

/// A plugin that takes seconds to compile and nothing to run, in a folder.
fn large(folder: &Path) -> String {
    let function = format!(
        "(func (param i32) (result i32) {} (local.get 0))",
        "(if (local.get 0) (then (local.set 0 (i32.mul (local.get 0) (i32.const 7)))) (else (nop)))".repeat(200)
    );
    let file = folder.join("large.wasm");
    fs::write(&file, hook(&format!("{MEMORY} (START (i32.const 0)) {}", function.repeat(500)))).unwrap();
    file.to_str().unwrap().to_owned()
}

/// `echo`, as a file in a folder.
fn echo(folder: &Path) -> String {
    let file = folder.join("plugin.wasm");
    fs::copy(dist("plugins/echo.wasm"), &file).unwrap();
    file.to_str().unwrap().to_owned()
}

/// A run with a plugin and this in a shell for its job.
fn job(plugin: &str, script: &str) -> Run {
    run(["--log-level", "debug", "--plugin", plugin, "sh", "-c", script])
}

/// A field of /proc/PID/stat, by the number that proc(5) gives it.
fn stat(pid: libc::pid_t, field: usize) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(") ")?.1.split(' ').nth(field - 3)?.to_owned())
}

#[test]
fn the_job_does_not_wait_for_the_compiler_and_its_end_does_not_either() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = large(folder.path());
    let started = Instant::now();
    run(["--check", "--plugin", &plugin]).outcome().exits(0);
    let compiling = started.elapsed();
    assert!(compiling > Duration::from_millis(400), "{compiling:?} is too little to be told from noise");

    // The job tells when it begins, and lasts until it is the wrapper's only child.
    let alone = "while [ $(wc -w </proc/$PPID/task/$PPID/children) -gt 1 ]; do sleep 0.02; done; exit 3";
    let script = format!("date +%s%N; sleep 0.1; {alone}");
    let began = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let outcome = job(&plugin, &script).outcome();
    outcome.exits(3).says("large: done in ").never_says("compiled again");
    let job_began = Duration::from_nanos(outcome.stdout.trim().parse().unwrap());
    assert!(job_began - began < compiling / 2, "the job began after {:?} of {compiling:?}", job_began - began);
    assert!(outcome.after_job < compiling / 2, "{outcome:#?}");

    // One that is over at once: what is missing is compiled then.
    job(&plugin, "exit 3").outcome().exits(3).says("large: done in ");
    let outcome = run(["--hook-timeout", "100ms", "--plugin", &plugin, "sh", "-c", "exit 3"]).outcome();
    outcome
        .exits(3)
        .says("large: warning: failed in ")
        .says("was not compiled by its deadline; --hook-timeout allows more");
    // One that never starts.
    let outcome = run(["--plugin", &plugin, "/no/such/command"]).outcome();
    outcome.exits(127).says("large: done in ");
}

#[test]
fn a_hook_that_is_ready_does_not_wait_for_the_compiler_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = large(folder.path());
    let outcome = run(["--plugin", "echo", "--plugin", &plugin, "sh", "-c", "exit 3"]).outcome();
    outcome.exits(3).says("large: ");
    let took = outcome.stderr.lines().find_map(|line| line.strip_prefix("echo: done in ")).expect("its line");
    let millis: f64 = took.strip_suffix(" ms").expect("milliseconds").parse().unwrap();
    assert!(millis < 250., "{outcome:#?}");

    // What was prepared is gone soon, though the compiler is not.
    let arguments = ["--plugin", "echo", "--plugin", &plugin, "sh", "-c", "echo ready; exec sleep 61"];
    let (running, _) = Running::start(run(arguments));
    let compiles = || children(running.init).into_iter().any(|pid| stat(pid, 19).as_deref() == Some("19"));
    wait_until("the job and the compiler alone", || children(running.init).len() == 2 && compiles());
    running.send(libc::SIGTERM);
    assert_eq!(running.end().0, Some(143));
}

#[test]
fn plugins_are_compiled_one_after_the_other_at_a_low_priority() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = large(folder.path());
    let arguments =
        ["--plugin", &plugin, "--plugin", &plugin, "--plugin", "echo", "sh", "-c", "echo ready; exec sleep 61"];
    let (running, _) = Running::start(run(arguments));
    let pid = running.init;
    let compilers =
        || -> Vec<_> { children(pid).into_iter().filter(|pid| stat(*pid, 19).as_deref() == Some("19")).collect() };
    wait_until("two processes of low priority", || compilers().len() == 2);
    let [first, second] = compilers()[..] else { panic!("there were two") };
    // The second has done nothing while the first is there.
    let time = |pid| stat(pid, 14).and_then(|ticks| ticks.parse::<u64>().ok());
    while let Some(ticks) = time(second) {
        if time(first).is_none() {
            break;
        }
        assert!(ticks <= 2, "the second has run for {ticks} ticks");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.send(libc::SIGTERM);
    let (code, stderr) = running.end();
    assert!(code == Some(143) && stderr.contains("echo: sh was killed"), "{stderr}");
    assert_eq!(stderr.matches("large: done in").count(), 2, "{stderr}");
}

#[test]
fn a_compiler_that_is_killed_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = large(folder.path());
    let (running, _) = Running::start(job(&plugin, "echo ready; exec sleep 61"));
    let pid = running.init;
    let compiler = || children(pid).into_iter().find(|pid| stat(*pid, 19).as_deref() == Some("19"));
    wait_until("a compiler", || compiler().is_some());
    // SAFETY: no pointers; it is not reaped before it has ended.
    unsafe { libc::kill(compiler().unwrap(), libc::SIGKILL) };
    wait_until("no compiler", || compiler().is_none());
    running.send(libc::SIGTERM);
    let (code, stderr) = running.end();
    assert_eq!(code, Some(143));
    for line in ["is compiled again: its process was killed by SIGKILL", "large: done in "] {
        assert!(stderr.contains(line), "{stderr}");
    }
}

#[test]
fn what_is_compiled_is_what_was_checked() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = large(folder.path());
    let other = dist("plugins/echo.wasm");
    // A job that is over before the compiler has read the file is as good as none for this.
    let first = format!("--plugin={plugin}");
    let second = echo(folder.path());
    let script = format!("cat {} >>{second}; sleep 0.3; exit 3", other.display());
    let outcome = run([&first, "--plugin", &second, "sh", "-c", &script]).outcome();
    outcome.exits(3).says("plugin: warning: failed in ").says("it has changed since it was checked, before the job");
    // One that is replaced, as a configuration is, stays open.
    let second = echo(folder.path());
    let script = format!("mv {plugin} {second}; exit 3");
    let outcome = run([&first, "--plugin", &second, "sh", "-c", &script]).outcome();
    outcome.exits(3).says("plugin: sh exited 3").says("large: done in ");
}

/// A folder for a cache, a plugin, and a run with both.
struct Kept {
    folder: tempfile::TempDir,
    cache: PathBuf,
    plugin: String,
}

impl Kept {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plugin = echo(folder.path());
        Self { cache: folder.path().join("cache"), folder, plugin }
    }

    fn run(&self) -> Run {
        job(&self.plugin, "exit 3").env("WRAPPER_CACHE", &self.cache)
    }

    /// Runs it, and asserts that its hook has run.
    fn runs(&self) -> Outcome {
        let outcome = self.run().outcome();
        outcome.exits(3).says("plugin: sh exited 3").says("plugin: done in ");
        outcome
    }

    fn entries(&self) -> Vec<PathBuf> {
        let mut entries: Vec<_> = fs::read_dir(&self.cache).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        entries
    }
}

const FOUND: &str = "plugin.wasm is in the cache";

#[test]
fn what_was_compiled_is_kept_and_found_by_what_it_depends_on() {
    let kept = Kept::new();
    kept.runs().never_says(FOUND);
    assert_eq!(fs::metadata(&kept.cache).unwrap().permissions().mode() & 0o7777, 0o700);
    let [entry] = &kept.entries()[..] else { panic!("{:?}", kept.entries()) };
    assert_eq!(fs::metadata(entry).unwrap().permissions().mode() & 0o7777, 0o600);
    let name = entry.file_name().unwrap().to_str().unwrap();
    assert!(name.ends_with("-pulley64.cwasm") && name.contains("wasmtime"), "{name}");
    let digest = run(["--plugin", &format!("{},sha256={}", kept.plugin, "0".repeat(64)), "true"]).outcome();
    digest.exits(125).says(&format!("has the SHA-256 digest {}", &name[..64]));
    let made = fs::metadata(entry).unwrap().mtime_nsec();
    kept.runs().says(FOUND).says("loaded in");
    assert_eq!(fs::metadata(entry).unwrap().mtime_nsec(), made);

    // Machine code is another thing, and so is another file.
    let native = Kept { plugin: format!("{},native=true", kept.plugin), ..Kept::new() };
    let native = Kept { cache: kept.cache.clone(), ..native };
    native.run().outcome().exits(3).never_says("is in the cache");
    native.run().outcome().exits(3).says("is in the cache");
    let large =
        Kept { plugin: large(kept.folder.path()), cache: kept.cache.clone(), folder: tempfile::tempdir().unwrap() };
    large.run().outcome().exits(3).never_says("is in the cache");
    assert_eq!(kept.entries().len(), 3);
    // A pinned digest is checked all the same.
    let pinned = format!("{},sha256={}", kept.plugin, "0".repeat(64));
    job(&pinned, "true").env("WRAPPER_CACHE", &kept.cache).outcome().exits(125).says("has the SHA-256 digest");
}

#[test]
fn whatever_is_doubtful_is_left_alone() {
    let doubted = |spoil: &dyn Fn(&Kept), why: &str| {
        let kept = Kept::new();
        kept.runs();
        spoil(&kept);
        kept.runs().never_says(FOUND).says(why);
    };
    let entry = |kept: &Kept| kept.entries()[0].clone();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    doubted(&|kept| mode(&kept.cache, 0o770), "is not used: others may write to it (mode 0770)");
    doubted(&|kept| mode(&kept.cache, 0o1777), "is not used: others may write to it (mode 1777)");
    doubted(&|kept| chown(&kept.cache, Some(61_003), None).unwrap(), "is not used: it belongs to user 61003");
    doubted(&|kept| mode(&entry(kept), 0o620), "in the cache is not used: others may write to it (mode 0620)");
    doubted(
        &|kept| chown(entry(kept), Some(61_003), None).unwrap(),
        "in the cache is not used: it belongs to user 61003",
    );
    doubted(
        &|kept| {
            let (entry, aside) = (entry(kept), kept.folder.path().join("aside"));
            fs::rename(&entry, &aside).unwrap();
            symlink(&aside, &entry).unwrap();
        },
        "in the cache is not used: Symbolic link loop",
    );
    doubted(
        &|kept| {
            let entry = entry(kept);
            fs::remove_file(&entry).unwrap();
            fs::create_dir(&entry).unwrap();
        },
        "in the cache is not used: it is not a regular file",
    );
    doubted(&|kept| fs::write(entry(kept), b"").unwrap(), "what the cache has of");
    doubted(&|kept| fs::write(entry(kept), b"text").unwrap(), "what the cache has of");
    doubted(
        &|kept| {
            let bytes = fs::read(entry(kept)).unwrap();
            fs::write(entry(kept), &bytes[..bytes.len() / 2]).unwrap();
        },
        "what the cache has of",
    );
    let flip = |kept: &Kept, at: usize| {
        let mut bytes = fs::read(entry(kept)).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1;
        fs::write(entry(kept), bytes).unwrap();
    };
    for at in [0, 5_000, 50_000, usize::MAX] {
        doubted(&|kept| flip(kept, at), "is not what was compiled from it");
    }
    // Another plugin's entry stands in its place.
    doubted(
        &|kept| {
            let mine = entry(kept);
            job(&large(kept.folder.path()), "true").env("WRAPPER_CACHE", &kept.cache).outcome().exits(0);
            let others = kept.entries().into_iter().find(|entry| *entry != mine).unwrap();
            fs::copy(others, mine).unwrap();
        },
        "is not what was compiled from it",
    );
    // A file stands where the folder ought to be.
    let kept = Kept::new();
    fs::write(&kept.cache, "").unwrap();
    kept.runs().says("is not used: Not a directory");
    let kept = Kept { cache: "/proc/no/cache".into(), ..Kept::new() };
    kept.runs().says("is not used: No such file or directory");
    // What was spoiled is made anew, where it is ours to make.
    let kept = Kept::new();
    kept.runs();
    fs::write(entry(&kept), b"text").unwrap();
    kept.runs();
    kept.runs().says(FOUND);
}

#[test]
fn a_full_disk_and_many_at_a_time_are_no_matter() {
    let kept = Kept::new();
    let disk = "mount -t tmpfs -o size=16k,mode=700 none /mnt && \"$0\" \"$@\"; code=$?; ls -A /mnt; exit $code";
    let full = job(&kept.plugin, "exit 3").env("WRAPPER_CACHE", "/mnt").env("WRAPPER_LOG", "debug");
    let outcome = full.under(&["unshare", "--mount", "sh", "-c", disk]).outcome();
    assert_eq!(outcome.exits(3).says("plugin: sh exited 3").stdout, "");
    outcome.says("is compiled again: there was no room for its result");

    std::thread::scope(|scope| {
        (0..8).for_each(|_| drop(scope.spawn(|| kept.runs())));
    });
    assert_eq!(kept.entries().len(), 1);
    kept.runs().says(FOUND);
    // One was killed while it compiled: nobody waits for it.
    let left = kept.entries()[0].with_extension("cwasm.part");
    fs::rename(&kept.entries()[0], &left).unwrap();
    kept.runs();
    kept.runs().says(FOUND);
    assert_eq!(kept.entries().len(), 1);
}

#[test]
fn what_is_compiled_beside_the_job_does_not_take_the_memory_that_the_job_has() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passive.wasm");
    // It begins with no memory to speak of, and nothing of it is ever used.
    fs::write(&file, hook(&format!("{MEMORY} (START (i32.const 0)) (data \"{}\")", "x".repeat(100 << 20)))).unwrap();
    let plugin = file.to_str().unwrap();
    let outcome = job(plugin, "exit 3").outcome();
    outcome.exits(3).says("passive: warning: failed in ").says("it takes more than 96 MiB when it is compiled; ");
    // In a folder that is there for it, it may.
    let cache = folder.path().join("cache");
    run(["--cache", cache.to_str().unwrap(), "--plugin", plugin, "sh", "-c", "exit 3"])
        .outcome()
        .exits(3)
        .says("passive: done in ");
}
