//! `wrapper-bake TARGET_DIR little|big`: builds the built-in plugins and compiles them to bytecode, so that the runtime needs no
//! compiler for them. It leaves them below cargo's target folder, where the runtime's build script finds them.
//!
//! This is a program of its own, since a build script is compiled again for each profile, and the compiler in it with it.

// Built-ins are bytecode, never machine code.
#[expect(dead_code)]
#[path = "../../../runtime/src/sandbox/engine.rs"]
mod engine;

use object::build::elf::SectionData;
use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fmt::Write as _,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::ExitCode,
};
use wasmtime::Engine;
use wrapper_guest_build::{BuiltIn, Hook, Profile, build_built_ins, key, workspace};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [target_dir, endian] = arguments.as_slice() else {
        return Err("usage: wrapper-bake TARGET_DIR little|big".into());
    };
    if !matches!(endian.as_str(), "little" | "big") {
        return Err(format!("'{endian}' is neither little nor big").into());
    }
    let target_dir = std::path::absolute(target_dir)?;
    let workspace = workspace();
    let (folder, key) = (key::folder(&target_dir, endian), key::key(&workspace)?);
    let stamp = folder.join("key");
    if fs::read_to_string(&stamp).is_ok_and(|old| old == key) {
        return Ok(());
    }
    fs::create_dir_all(&folder)?;
    // What comes now is not to be taken for whole before it is.
    fs::remove_file(&stamp).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })?;

    let built_ins = build_built_ins(Profile::Plugin, &target_dir.join("guests"))?;
    let build = format!("wrapper {} with wasmtime {}", env!("CARGO_PKG_VERSION"), wasmtime_version(&workspace)?);
    let engine = Engine::new(&engine::config(Some(engine::pulley(endian == "big")), &build)?)?;
    let mut components = BTreeMap::new();
    for built_in in &built_ins {
        if components.contains_key(&built_in.component) {
            continue;
        }
        let name = format!("{}.cwasm", components.len());
        let compiled = engine.precompile_component(&fs::read(&built_in.component)?)?;
        fs::write(folder.join(&name), without_symbols(&compiled)?)?;
        components.insert(&built_in.component, name);
    }
    fs::write(folder.join("built_ins.rs"), table(&built_ins, &components)?)?;
    fs::write(folder.join("build"), build)?;
    fs::write(&stamp, key)?;
    Ok(())
}

/// The table that the runtime includes: a static for each component, which several names may share, and a row for each name.
fn table(built_ins: &[BuiltIn], components: &BTreeMap<&PathBuf, String>) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    let name = |file: &str| format!("COMPILED_{}", file.trim_end_matches(".cwasm"));
    for file in components.values() {
        // Wherever the folder is by then.
        let bytes = format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{file}\"))");
        writeln!(text, "static {}: Aligned<[u8; {bytes}.len()]> = Aligned(*{bytes});", name(file))?;
    }
    writeln!(text, "/// In alphabetical order.\nstatic BUILT_INS: &[BuiltIn] = &[")?;
    for built_in in built_ins {
        let (before_start, after_exit) = (built_in.hook == Hook::BeforeStart, built_in.hook == Hook::AfterExit);
        let (plugin, compiled) = (&built_in.name, name(&components[&built_in.component]));
        let variables = &built_in.variables;
        writeln!(
            text,
            "BuiltIn {{ name: {plugin:?}, before_start: {before_start}, after_exit: {after_exit}, variables: &{variables:?}, \
             compiled: &{compiled}.0 }},"
        )?;
    }
    Ok(text + "];")
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
fn wasmtime_version(workspace: &Path) -> Result<String, Box<dyn Error>> {
    let lock = fs::read_to_string(workspace.join("Cargo.lock"))?;
    let entry = lock.split_once("name = \"wasmtime\"\nversion = \"").ok_or("wasmtime is not in Cargo.lock")?.1;
    Ok(entry.split('"').next().unwrap_or_default().to_owned())
}
