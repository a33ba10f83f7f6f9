//! A whole machine with another CPU, emulated: Linux is booted with the wrapper as its process 1. Unlike the emulation of one
//! program this has a kernel of that CPU, and with it seccomp, Landlock and signals as they are there.
//!
//! `make arm64` sets the variable `OTHER_CPU` to the wrapper's file.

use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};
use wrapper_tests::{dist, run_program, skip, tool};

/// The sidecar: consents to whatever it is asked.
const SIDECAR: &str = "#!/bin/sh
while read -r line && [ ${#line} -gt 1 ]; do :; done
printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nOK'
";

/// What is run, by name.
const RUNS: &[(&str, &str)] = &[
    ("init", "cat /proc/1/comm"),
    ("built-in", "/wrapper --log-level debug sh -c 'exit 3'"),
    ("wasm", "/wrapper --plugin /istio-quit.wasm sh -c 'exit 3'"),
    ("cwasm", "/wrapper --plugin /istio-quit.cwasm sh -c 'exit 3'"),
    ("native", "/wrapper --plugin /istio-quit.wasm,native=true sh -c 'exit 3'"),
    ("native cwasm", "/wrapper --plugin /aarch64/istio-quit.cwasm sh -c 'exit 3'"),
    ("not found", "/wrapper --plugin none /absent"),
    ("not executable", "/wrapper --plugin none /test"),
    ("killed", "/wrapper --plugin none sh -c 'kill -9 $$'"),
    (
        "told to end",
        "/wrapper --plugin none sh -c 'trap \"exit 42\" TERM; kill -TERM $PPID; while :; do sleep 0.05; done'",
    ),
    (
        "grace",
        "/wrapper --plugin none --grace 300ms sh -c 'trap \"\" TERM; kill -TERM $PPID; while :; do sleep 0.05; done'",
    ),
    ("out of memory, one process", "limited 0"),
    ("out of memory, all", "limited 1"),
    // When the loop is over all five have lost their parent; what runs all of this is the one child that is left to process 1.
    (
        "orphans",
        "sh -c 'for n in 1 2 3 4 5; do (sh -c \"exit 0\" &) ; done; until [ $(ps -o ppid | grep -c \"^ *1$\") = 1 ]; do :; done'",
    ),
];

/// Limits memory as a kubelet does with cgroup v2: `memory.oom.group` is 1, or 0 with `singleProcessOOMKill`.
const LIMITED: &str = "
mount -t cgroup2 none /cgroup
echo +memory >/cgroup/cgroup.subtree_control
limited() {
    mkdir /cgroup/$1
    echo 48M >/cgroup/$1/memory.max
    echo $1 >/cgroup/$1/memory.oom.group
    sh -c \"echo \\$\\$ >/cgroup/$1/cgroup.procs; exec /wrapper dd if=/dev/zero of=/dev/null bs=200M count=1\"
}
";

/// How a run ended, and what it wrote.
#[derive(Clone, Debug)]
struct Ran {
    code: i32,
    text: String,
}

/// All runs on one boot of the machine. None where there is none, which is said.
fn machine() -> Option<&'static BTreeMap<&'static str, Ran>> {
    static RAN: OnceLock<BTreeMap<&'static str, Ran>> = OnceLock::new();
    let Some(wrapper) = env::var_os("OTHER_CPU")
        .filter(|file| Path::new(file).parent().is_some_and(|folder| folder.ends_with("arm64")))
    else {
        skip("`make arm64` runs it with a machine");
        return None;
    };
    Some(RAN.get_or_init(|| boot(Path::new(&wrapper))))
}

fn boot(wrapper: &Path) -> BTreeMap<&'static str, Ran> {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image.cpio");
    let root = folder.path().join("root");
    for name in ["bin", "proc", "dev", "cgroup", "aarch64"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    let executable = |name: &str, bytes: Vec<u8>| {
        fs::write(root.join(name), bytes).unwrap();
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    executable("wrapper", fs::read(wrapper).unwrap());
    executable("bin/busybox", fs::read(tool("machine-arm64/busybox")).unwrap());
    for applet in ["sh", "cat", "dd", "grep", "ip", "kill", "mkdir", "mount", "nc", "poweroff", "ps", "sleep"] {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    executable("sidecar", SIDECAR.into());
    let plugin = dist("plugins/istio-quit.wasm");
    fs::copy(&plugin, root.join("istio-quit.wasm")).unwrap();
    for (target, file) in [("pulley64", "istio-quit.cwasm"), ("aarch64", "aarch64/istio-quit.cwasm")] {
        let output = root.join(file);
        let compile = [
            "compile".as_ref(),
            plugin.as_os_str(),
            "-o".as_ref(),
            output.as_ref(),
            "--target".as_ref(),
            target.as_ref(),
        ];
        run_program(dist("wrapper-plugin"), compile).outcome().exits(0);
    }
    let mut script =
        "mount -t proc none /proc\nmount -t devtmpfs none /dev\nip link set lo up\nnc -ll -p 15020 -e /sidecar &\n"
            .to_owned()
            + LIMITED;
    for (name, command) in RUNS {
        script += &format!("echo '=== {name}'\n{command} 2>&1\necho \"=== $?\"\n");
    }
    fs::write(root.join("test"), script + "poweroff -f\n").unwrap();
    let archive = format!("cd {} && find . | cpio --quiet -o -H newc >{}", root.display(), image.display());
    assert!(Command::new("sh").args(["-c", &archive]).status().unwrap().success());

    let kernel: PathBuf = tool("machine-arm64/vmlinuz");
    let append = "console=ttyAMA0 quiet panic=-1 rdinit=/wrapper -- --plugin none sh /test";
    let mut qemu =
        vec!["-M", "virt", "-cpu", "max,pauth-impdef=on", "-smp", "2", "-m", "512", "-nographic", "-no-reboot"];
    qemu.extend([
        "-net",
        "none",
        "-kernel",
        kernel.to_str().unwrap(),
        "-initrd",
        image.to_str().unwrap(),
        "-append",
        append,
    ]);
    let outcome = run_program("qemu-system-aarch64", qemu).bound(300).outcome();
    let text = outcome.exits(0).stdout.replace('\r', "");
    let ran = RUNS.iter().map(|&(name, _)| {
        let rest = text.split_once(&format!("=== {name}\n")).unwrap_or_else(|| panic!("no {name} in {text}")).1;
        let (said, rest) = rest.split_once("=== ").unwrap_or_else(|| panic!("{name} has no end in {text}"));
        let code = rest.lines().next().unwrap().parse().unwrap();
        (name, Ran { code, text: said.to_owned() })
    });
    ran.collect()
}

#[test]
fn the_wrapper_is_process_1_of_a_kernel_and_reaps() {
    let Some(ran) = machine() else { return };
    assert_eq!((ran["init"].code, ran["init"].text.as_str()), (0, "wrapper\n"));
    assert_eq!((ran["orphans"].code, ran["orphans"].text.as_str()), (0, ""));
}

#[test]
fn exit_codes_signals_and_grace_are_as_on_every_cpu() {
    let Some(ran) = machine() else { return };
    for (name, code) in
        [("not found", 127), ("not executable", 126), ("killed", 137), ("told to end", 42), ("grace", 137)]
    {
        assert_eq!(ran[name].code, code, "{name}: {:?}", ran[name]);
    }
    assert!(ran["not found"].text.contains("absent was not started: /absent: No such file or directory"));
    assert!(ran["grace"].text.contains("the grace period is over: SIGKILL"));
}

#[test]
fn hooks_run_in_bytecode_and_in_machine_code() {
    let Some(ran) = machine() else { return };
    for name in ["built-in", "wasm", "cwasm", "native", "native cwasm"] {
        assert_eq!(ran[name].code, 3, "{name}: {:?}", ran[name]);
        let said = "istio-quit: localhost:15020 answered 200: the sidecar quits";
        assert!(ran[name].text.contains(said), "{name}: {:?}", ran[name]);
    }
}

#[test]
fn the_kernel_confines_a_hooks_process() {
    let Some(ran) = machine() else { return };
    let text = &ran["built-in"].text;
    assert!(text.contains("system calls: seccomp") && text.contains("has no files: Landlock"), "{text}");
}

/// `memory.oom.group` is why docs/kubernetes.md names other cures.
#[test]
fn a_job_that_runs_out_of_memory_takes_the_hooks_with_it_if_the_kernel_kills_all_of_its_group() {
    let Some(ran) = machine() else { return };
    let (one, all) = (&ran["out of memory, one process"], &ran["out of memory, all"]);
    assert!(one.code == 137 && one.text.contains("was killed by SIGKILL"), "{one:?}");
    assert!(one.text.contains("istio-quit: localhost:15020 answered 200: the sidecar quits"), "{one:?}");
    assert!(all.code == 137 && !all.text.contains("istio-quit"), "{all:?}");
}
