//! Builds the built-in plugins and compiles them ahead of time, so that the runtime needs no compiler for them.

// Built-ins are bytecode, never machine code.
#[expect(dead_code)]
#[path = "src/sandbox/engine.rs"]
mod engine;

use object::build::elf::SectionData;
use std::{collections::BTreeMap, env, error::Error, fmt::Write, fs, path::PathBuf};
use wasmtime::Engine;
use wrapper_guest_build::{Hook, Profile, build_built_ins, sources, target_dir};

fn main() -> Result<(), Box<dyn Error>> {
    for source in sources() {
        println!("cargo::rerun-if-changed={source}");
    }
    println!("cargo::rerun-if-changed=src/sandbox/engine.rs");
    // The profile that plugins are built with.
    println!("cargo::rerun-if-changed=../Cargo.toml");

    // Where the kernel begins: see process/before_main.rs.
    if matches!(env::var("CARGO_CFG_TARGET_ARCH")?.as_str(), "x86_64" | "aarch64") {
        println!("cargo::rustc-link-arg-bins=-ewrapper_entry");
    }

    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    let target_dir = target_dir(&out_dir, &env::var("TARGET")?);
    let built_ins = build_built_ins(Profile::Plugin, &target_dir).unwrap_or_else(|error| {
        // A build script's panic or returned error is printed with debug quotes around it; this is for a person.
        eprintln!("error: {error}");
        std::process::exit(1);
    });

    let build = format!("wrapper {} with wasmtime {}", env!("CARGO_PKG_VERSION"), wasmtime_version()?);
    println!("cargo::rustc-env=WRAPPER_BUILD={build}");
    let pulley = engine::pulley(env::var("CARGO_CFG_TARGET_ENDIAN")? == "big");
    let engine = Engine::new(&engine::config(Some(pulley), &build)?)?;
    // A static for each component, which several names may share.
    let mut statics = BTreeMap::new();
    let mut text = String::new();
    for built_in in &built_ins {
        if statics.contains_key(&built_in.component) {
            continue;
        }
        let (name, file) = (format!("COMPILED_{}", statics.len()), format!("{}.cwasm", statics.len()));
        let compiled = engine.precompile_component(&fs::read(&built_in.component)?)?;
        fs::write(out_dir.join(&file), without_symbols(&compiled)?)?;
        // Wherever the folder is by then.
        let bytes = format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{file}\"))");
        writeln!(text, "static {name}: Aligned<[u8; {bytes}.len()]> = Aligned(*{bytes});")?;
        statics.insert(&built_in.component, name);
    }
    writeln!(text, "/// In alphabetical order.\nstatic BUILT_INS: &[BuiltIn] = &[")?;
    for built_in in &built_ins {
        let (before_start, after_exit) = (built_in.hook == Hook::BeforeStart, built_in.hook == Hook::AfterExit);
        let (name, compiled) = (&built_in.name, &statics[&built_in.component]);
        let variables = &built_in.variables;
        writeln!(
            text,
            "BuiltIn {{ name: {name:?}, before_start: {before_start}, after_exit: {after_exit}, variables: &{variables:?}, \
             compiled: &{compiled}.0 }},"
        )?;
    }
    fs::write(out_dir.join("built_ins.rs"), text + "];")?;
    Ok(())
}

/// Without the names of functions, which only a debugger reads.
fn without_symbols(elf: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut builder = object::build::elf::Builder::read(elf)?;
    for section in &mut builder.sections {
        section.delete =
            matches!(&section.data, SectionData::Symbol | SectionData::String if &section.name[..] != b".shstrtab");
    }
    for symbol in &mut builder.symbols {
        symbol.delete = true;
    }
    builder.delete_orphans();
    let mut without = Vec::new();
    builder.write(&mut without)?;
    Ok(without)
}

/// The engine's version, as the lock file has it.
fn wasmtime_version() -> Result<String, Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../Cargo.lock");
    let lock = fs::read_to_string("../Cargo.lock")?;
    let entry = lock.split_once("name = \"wasmtime\"\nversion = \"").ok_or("wasmtime is not in Cargo.lock")?.1;
    Ok(entry.split('"').next().unwrap_or_default().to_owned())
}
