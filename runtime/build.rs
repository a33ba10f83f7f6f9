//! Builds the built-in plugins and compiles them ahead of time, so that the runtime needs no compiler for them.

// Built-ins are bytecode, never machine code.
#[expect(dead_code)]
#[path = "src/sandbox/engine.rs"]
mod engine;

use std::{env, error::Error, fmt::Write, fs, path::PathBuf};
use wasmtime::Engine;
use wrapper_guest_build::{Profile, build, sources, target_dir};

/// The plugins inside the binary; each is a crate below `guest-plugins/`.
const BUILT_INS: [&str; 2] = ["echo", "istio-quit"];

fn main() -> Result<(), Box<dyn Error>> {
    for source in sources() {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    println!("cargo::rerun-if-changed=src/sandbox/engine.rs");
    // The profile that plugins are built with.
    println!("cargo::rerun-if-changed=../Cargo.toml");

    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    let components =
        build(&BUILT_INS, Profile::Plugin, &target_dir(&out_dir, &env::var("TARGET")?)).unwrap_or_else(|error| {
            // A build script's panic or returned error is printed with debug quotes around it; this is for a person.
            eprintln!("error: {error}");
            std::process::exit(1);
        });

    let build = format!("wrapper {} with wasmtime {}", env!("CARGO_PKG_VERSION"), wasmtime_version()?);
    println!("cargo::rustc-env=WRAPPER_BUILD={build}");
    let engine = Engine::new(&engine::config(engine::Code::Pulley.target(), &build)?)?;
    let mut table = String::from("&[");
    for (name, component) in BUILT_INS.iter().zip(components) {
        let compiled = out_dir.join(name).with_extension("cwasm");
        fs::write(&compiled, engine.precompile_component(&fs::read(component)?)?)?;
        write!(table, "({name:?}, &{{ static BYTES: Aligned<[u8; include_bytes!({compiled:?}).len()]> = ")?;
        write!(table, "Aligned(*include_bytes!({compiled:?})); &BYTES }}.0), ")?;
    }
    fs::write(out_dir.join("built_ins.rs"), table + "]")?;
    Ok(())
}

/// The engine's version, as the lock file has it.
fn wasmtime_version() -> Result<String, Box<dyn Error>> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
    println!("cargo::rerun-if-changed={file}");
    let lock = fs::read_to_string(file)?;
    let entry = lock.split_once("name = \"wasmtime\"\nversion = \"").ok_or("wasmtime is not in Cargo.lock")?.1;
    Ok(entry.split('"').next().unwrap_or_default().to_owned())
}
