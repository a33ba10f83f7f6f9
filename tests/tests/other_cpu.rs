//! One file for every CPU: the same plugins, and the same bytecode made of them, byte for byte, under a wrapper for another CPU.
//!
//! `make arm64` sets the variable `WRAPPER` to such a wrapper in an emulator, and `OTHER_CPU` to its own file.

use std::{
    env, fs,
    path::{Path, PathBuf},
};
use wrapper_tests::{Answer, Outcome, Server, dist, own_network, run_program, skip, wrapper};

/// The file of the wrapper for the other CPU, where there is one.
fn other_cpu() -> Option<PathBuf> {
    let file = env::var_os("OTHER_CPU");
    if file.is_none() {
        skip("`make arm64` runs it with a wrapper for another CPU");
    }
    file.map(PathBuf::from)
}

/// Whether its numbers begin with their high byte, as on s390x: its bytecode is another then (elf(5), `EI_DATA`).
fn has_other_bytecode(file: &Path) -> bool {
    fs::read(file).unwrap()[5] == 2
}

/// The other CPU's file, where it has the bytecode that this one has.
fn other_cpu_with_the_same_bytecode() -> Option<PathBuf> {
    let file = other_cpu()?;
    if has_other_bytecode(&file) {
        skip("that CPU has other bytecode");
        return None;
    }
    Some(file)
}

/// A job that exits 3, under this machine's wrapper and under that for the other CPU.
fn both(options: &[&str]) -> [Outcome; 2] {
    [dist("wrapper"), wrapper()]
        .map(|wrapper| run_program(wrapper, [options, &["sh", "-c", "exit 3"]].concat()).outcome())
}

/// What the hooks said, without the times.
fn said(outcome: &Outcome) -> Vec<&str> {
    let lines = outcome.stderr.lines().filter(|line| !line.starts_with("wrapper: "));
    lines.map(|line| line.split(" in ").next().unwrap_or(line)).collect()
}

#[test]
fn the_binary_is_static_too() {
    let Some(file) = other_cpu() else { return };
    let said = run_program("file", [file]).outcome().exits(0).stdout.clone();
    assert!(said.contains("statically linked") && said.contains(", stripped"), "{said}");
}

#[test]
fn the_same_plugin_files_do_the_same() {
    if other_cpu().is_none() {
        return;
    }
    own_network();
    let server = Server::start(15020, Answer::ok());
    for plugin in [Path::new("istio-quit"), &dist("plugins/istio-quit.wasm")] {
        let [here, there] = both(&["--plugin", plugin.to_str().unwrap()]);
        assert_eq!(said(here.exits(3)), said(there.exits(3)));
        here.says("istio-quit: localhost:15020 answered 200: the sidecar quits");
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(format!("{:?}", requests[0]), format!("{:?}", requests[1]), "{}", plugin.display());
    }
}

#[test]
fn one_compiled_file_runs_on_both_unless_their_bytecode_differs_where_it_is_refused_with_the_way_out() {
    let Some(file) = other_cpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (target, is_for_big_endian) in [("pulley64", false), ("pulley64be", true)] {
        let compiled = folder.path().join(target).with_extension("cwasm");
        let compile = ["compile".into(), dist("plugins/echo.wasm"), "-o".into(), compiled.clone()];
        run_program(dist("wrapper-plugin"), compile.into_iter().chain(["--target".into(), target.into()]))
            .outcome()
            .exits(0);
        let outcomes = both(&["--plugin", compiled.to_str().unwrap()]);
        for (outcome, is_big_endian) in outcomes.iter().zip([false, has_other_bytecode(&file)]) {
            if is_big_endian == is_for_big_endian {
                outcome.exits(3).says(&format!("{target}: sh exited 3"));
            } else {
                outcome.exits(125).says("was not compiled for wrapper ").says("compile it again: ");
                assert_eq!(outcome.stderr.contains("--target pulley64be"), is_big_endian, "{outcome:?}");
            }
        }
    }
}

#[test]
fn each_plugin_becomes_the_same_bytecode_on_both() {
    if other_cpu_with_the_same_bytecode().is_none() {
        return;
    }
    for (plugin, keys) in [("echo", ""), ("istio-quit", ""), ("istio-wait", ",required=false,timeout=2s")] {
        let spec = format!("{}{keys}", dist("plugins").join(plugin).with_extension("wasm").display());
        let caches = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        for (cache, wrapper) in caches.iter().zip([dist("wrapper"), wrapper()]) {
            let options = ["--cache", cache.path().to_str().unwrap(), "--plugin", &spec, "true"];
            run_program(wrapper, options).env("HOOK_QUIT_RETRY", "0s").outcome().exits(0);
        }
        let [here, there] = caches.map(|cache| {
            let files: Vec<_> = fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert_eq!(files.len(), 1, "{files:?}");
            (files[0].file_name().unwrap().to_owned(), fs::read(&files[0]).unwrap())
        });
        assert!(here == there, "{plugin}: {:?}, {:?}", here.0, there.0);
    }
}

#[test]
fn the_built_in_plugins_are_the_same_bytes_in_both_binaries() {
    let Some(file) = other_cpu_with_the_same_bytecode() else { return };
    let (here, there) = (compiled(&fs::read(dist("wrapper")).unwrap()), compiled(&fs::read(file).unwrap()));
    assert_eq!(here.len(), 3, "the components of sidecars, telemetry and echo");
    assert!(here == there);
}

/// The compiled components in a binary: objects of their own in it (elf(5)), which end with their section headers.
fn compiled(binary: &[u8]) -> Vec<Vec<u8>> {
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte));
    let starts = (1..binary.len() - 64).filter(|&at| binary[at..].starts_with(b"\x7fELF\x02\x01\x01"));
    let object = |at: usize| {
        let head = &binary[at..];
        let end = number(&head[40..48]) + number(&head[58..60]) * number(&head[60..62]);
        head.get(..end).filter(|object| object.len() > 64).map(<[u8]>::to_vec)
    };
    let mut objects: Vec<_> = starts.filter_map(object).collect();
    objects.sort();
    objects
}
