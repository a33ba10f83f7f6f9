//! From a file to a checked component. Nothing of the guest runs here.

#[cfg(feature = "compiler")]
use super::feature;
use super::{LoadError, PluginSpec, Sha256, error::PATCH};
use crate::{
    process::Bounds,
    report::printable,
    sandbox::{Code, Guest, Sandbox, bindings::wrapper::hook::types, limits},
};
use sha2::Digest as _;
use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::{
        fd::AsRawFd as _,
        unix::fs::{FileExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};
use wasmtime::{
    Engine, Precompiled,
    component::{
        Component,
        types::{Component as ComponentType, ComponentItem},
    },
};

/// A page of WebAssembly's memory, in bytes.
/// <https://webassembly.github.io/spec/core/exec/runtime.html#page-size>
const PAGE: u64 = 64 << 10;

/// A component that has not been checked yet, and what it can be run with.
pub struct Unchecked {
    pub sandbox: Sandbox,
    pub component: Component,
}

/// A component, compiled.
pub struct Compiled {
    /// What to.
    pub code: Code,
    /// What came out of it.
    pub bytes: Vec<u8>,
}

/// Opens a plugin's file. A pipe or a device is none: it might never end.
pub fn open(path: &Path) -> Result<File, LoadError> {
    let is_meant = |file: &Metadata| match file {
        file if !file.is_file() => Err(LoadError::NotAFile),
        file if file.len() > limits::PLUGIN_FILE => Err(LoadError::TooLarge),
        _ => Ok(()),
    };
    // Some devices do something when they are opened.
    is_meant(&path.metadata().map_err(LoadError::Unreadable)?)?;
    // Another may have taken its place meanwhile, or somebody have a lease of it (fcntl(2)): neither is waited for.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = file.map_err(LoadError::Unreadable)?;
    is_meant(&file.metadata().map_err(LoadError::Unreadable)?)?;
    Ok(file)
}

/// A plugin's bytes, and their digest.
pub struct Bytes {
    bytes: Vec<u8>,
    pub digest: Sha256,
}

impl Bytes {
    /// Reads a plugin's file, and never more of it than a plugin may have. Not from where the file stands, which other
    /// processes share.
    pub fn read(file: &File) -> Result<Self, LoadError> {
        let length = file.metadata().map_err(LoadError::Unreadable)?.len();
        if length > limits::PLUGIN_FILE {
            return Err(LoadError::TooLarge);
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0).map_err(LoadError::Unreadable)?;
        let digest = Sha256(sha2::Sha256::digest(&bytes).into());
        Ok(Self { bytes, digest })
    }

    /// Whether they are those that were asked for.
    pub fn are_meant(&self, spec: &PluginSpec) -> Result<(), LoadError> {
        match spec.sha256 {
            Some(expected) if expected != self.digest => Err(LoadError::OtherDigest { found: self.digest, expected }),
            _ => Ok(()),
        }
    }
}

/// Compiles a plugin where that has not been done. This is for a process of its own: it takes time and memory as the file
/// would have it.
pub fn compile(Bytes { bytes, .. }: Bytes, spec: &PluginSpec) -> Result<Compiled, LoadError> {
    if spec.source.is_compiled() {
        return compiled(bytes);
    }
    is_component(&bytes)?;
    compile_component(&bytes, spec.code)
}

/// Loads what can be checked as the plugin can: all of it where it is compiled, and what is there but for its code where it
/// is not. The same is to be said of the process.
pub fn load_to_check(Bytes { bytes, .. }: Bytes, spec: &PluginSpec) -> Result<Unchecked, LoadError> {
    if spec.source.is_compiled() {
        return load(&compiled(bytes)?, spec.grants.memory);
    }
    is_component(&bytes)?;
    load(&compile_skeleton(&bytes, spec.code)?, spec.grants.memory)
}

/// What was compiled ahead of time, if it was.
fn compiled(bytes: Vec<u8>) -> Result<Compiled, LoadError> {
    match Engine::detect_precompiled(&bytes) {
        Some(Precompiled::Component) => Ok(Compiled { code: Code::of(&bytes), bytes }),
        _ if bytes.is_empty() => Err(LoadError::Empty),
        _ => Err(LoadError::NotCompiled),
    }
}

#[cfg(feature = "compiler")]
fn compile_component(bytes: &[u8], code: Code) -> Result<Compiled, LoadError> {
    let compiled = crate::sandbox::compile(code.target(), bytes).map_err(|error| not_valid(&error))?;
    Ok(Compiled { code, bytes: compiled })
}

#[cfg(feature = "compiler")]
fn compile_skeleton(bytes: &[u8], code: Code) -> Result<Compiled, LoadError> {
    let compiled = super::skeleton::compile(code.target(), bytes).map_err(|error| not_valid(&error))?;
    Ok(Compiled { code, bytes: compiled })
}

/// Why a component cannot be compiled.
#[cfg(feature = "compiler")]
fn not_valid(error: &wasmtime::Error) -> LoadError {
    let words = one_line(error);
    match feature::missing(&words) {
        None => LoadError::Invalid(words),
        Some(feature::ASYNC) => LoadError::OtherWasi,
        Some(feature) => LoadError::Feature(feature),
    }
}

#[cfg(not(feature = "compiler"))]
fn compile_component(_: &[u8], _: Code) -> Result<Compiled, LoadError> {
    Err(LoadError::NoCompiler)
}

#[cfg(not(feature = "compiler"))]
use compile_component as compile_skeleton;

/// Compiles a plugin for a target, and checks it: for `wrapper-plugin`, which has no other work to do.
#[cfg(feature = "compiler")]
pub fn compile_ahead_of_time(path: &Path, target: &str) -> Result<Vec<u8>, LoadError> {
    let Bytes { bytes, .. } = Bytes::read(&open(path)?)?;
    is_component(&bytes)?;
    let pulley = compile_component(&bytes, Code::Pulley)?;
    check(&load(&pulley, limits::MEMORY)?, u64::MAX)?;
    if Some(target) == pulley.code.target() {
        return Ok(pulley.bytes);
    }
    crate::sandbox::compile(Some(target), &bytes).map_err(|error| not_valid(&error))
}

/// Says what a file is that is no component.
fn is_component(bytes: &[u8]) -> Result<(), LoadError> {
    // https://webassembly.github.io/spec/core/binary/modules.html: magic, version; a component has its layer after that.
    match bytes.get(..8) {
        Some(b"\0asm\x01\0\0\0") => Err(LoadError::CoreModule),
        Some([0, b'a', b's', b'm', ..]) => Ok(()),
        _ if bytes.is_empty() => Err(LoadError::Empty),
        _ => Err(LoadError::NotWasm),
    }
}

/// Maps a `.cwasm`: what is not needed of it is not read. It is trusted, so this may be done before a process is confined.
pub fn map(file: &File, memory: u64) -> Result<Unchecked, LoadError> {
    if !path_of(file).exists() {
        // No /proc: it is read instead.
        return load(&compiled(Bytes::read(file)?.bytes)?, memory);
    }
    let mut header = [0; 64];
    let kind = match file.read_at(&mut header, 0).map_err(LoadError::Unreadable)? {
        0 => return Err(LoadError::Empty),
        // All that tells is at the end of such a file too, so a part of one is none.
        _ => Engine::detect_precompiled_file(path_of(file)).or_else(|error| system(&error).map_or(Ok(None), Err))?,
    };
    if kind != Some(Precompiled::Component) {
        return Err(LoadError::NotCompiled);
    }
    let sandbox = Sandbox::new(Code::of(&header), memory).map_err(|error| LoadError::Engine(one_line(&error)))?;
    // SAFETY: as with `load`.
    let component = unsafe { sandbox.load_file(&path_of(file)) }.map_err(|error| {
        // What it was compiled for is looked at before any of it becomes executable, by mprotect(2).
        if error.chain().any(|cause| cause.downcast_ref() == Some(&rustix::io::Errno::ACCESS)) {
            return LoadError::NoExec;
        }
        system(&error).unwrap_or_else(|| LoadError::OtherBuild(one_line(&error)))
    })?;
    Ok(Unchecked { component, sandbox })
}

/// What the system says, if the cause lies there: no descriptor, no memory.
fn system(error: &wasmtime::Error) -> Option<LoadError> {
    let code = error.chain().find_map(|cause| {
        let system = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        system.or_else(|| Some(cause.downcast_ref::<rustix::io::Errno>()?.raw_os_error()))
    })?;
    Some(LoadError::Unreadable(io::Error::from_raw_os_error(code)))
}

/// A path to a file that is open, wherever it has been moved to.
fn path_of(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Loads what was compiled, here or in an image build.
pub fn load(compiled: &Compiled, memory: u64) -> Result<Unchecked, LoadError> {
    let sandbox = Sandbox::new(compiled.code, memory).map_err(|error| LoadError::Engine(one_line(&error)))?;
    // SAFETY: the bytes are the compiler's. Who puts a .cwasm into the image vouches for it, as for every other program
    // there; it is marked with the build that made it, and another's is refused.
    let component =
        unsafe { sandbox.load(&compiled.bytes) }.map_err(|error| LoadError::OtherBuild(one_line(&error)))?;
    Ok(Unchecked { component, sandbox })
}

/// A built-in, which the build has compiled.
pub fn built_in(compiled: &'static [u8], memory: u64) -> Result<Unchecked, LoadError> {
    let engine = |error: wasmtime::Error| LoadError::Engine(one_line(&error));
    let sandbox = Sandbox::new(Code::Pulley, memory).map_err(engine)?;
    // SAFETY: the bytes are the build script's, and part of this binary.
    let component = unsafe { sandbox.load_in_place(compiled) }.map_err(engine)?;
    Ok(Unchecked { sandbox, component })
}

/// What a process may have that compiles and loads a plugin. What was compiled before may be machine code.
pub fn bounds(spec: &PluginSpec) -> Bounds {
    let native = spec.code == Code::Native || spec.source.is_compiled();
    Bounds { memory: limits::COMPILER_MEMORY, native, background: None }
}

/// The memory that a component begins with, in bytes.
pub fn initial_memory(Unchecked { component, .. }: &Unchecked) -> u64 {
    // In pages (the features that would change their size are off), and none where it instantiates what it imports, which
    // the check refuses.
    component.resources_required().and_then(|needs| needs.max_initial_memory_size).unwrap_or(0) * PAGE
}

/// Says what is wrong in the terms of the contract before the linker does in those of the component model.
pub fn check(unchecked: &Unchecked, memory: u64) -> Result<Guest, LoadError> {
    let Unchecked { sandbox, component } = unchecked;
    let needs = initial_memory(unchecked);
    if needs > memory {
        return Err(LoadError::Memory { needs, granted: memory });
    }
    let engine = sandbox.engine();
    let kind = component.component_type();
    let exports: Vec<_> = kind.exports(engine).map(|(name, item)| (name.to_owned(), item.ty)).collect();
    let imports = sandbox.imports(component);
    let names: Vec<_> = exports.iter().map(|(name, _)| name.clone()).chain(imports).collect();
    if let Some(found) = names.iter().find(|name| is_other_version(name)) {
        return Err(LoadError::OtherVersion { found: found.clone() });
    }
    if names.iter().any(|name| name.starts_with("wasi:") && name.contains("@0.3.")) {
        return Err(LoadError::OtherWasi);
    }
    let newer = names.iter().find(|name| is_newer(name)).map(|found| LoadError::Newer { found: found.clone() });
    if let Some((name, _)) = exports.iter().find(|(name, item)| !has_contracts_type(name, item, &kind, engine)) {
        return Err(LoadError::OtherType(name.clone()));
    }
    let guest = match (sandbox.check(component), newer) {
        (Ok(guest), None) => guest,
        (Ok(guest), Some(newer)) if !guest.has_before_start() && !guest.has_after_exit() => return Err(newer),
        (Ok(guest), Some(_)) => guest,
        (Err(_), Some(newer)) => return Err(newer),
        (Err(error), None) => return Err(LoadError::Import(one_line(&error))),
    };
    if guest.has_before_start() || guest.has_after_exit() {
        return Ok(guest);
    }
    let names: Vec<_> = exports
        .iter()
        .filter(|(_, item)| matches!(item, ComponentItem::ComponentInstance(_) | ComponentItem::ComponentFunc(_)))
        .map(|(name, _)| name.as_str())
        .collect();
    Err(LoadError::NoHook(if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }))
}

/// Whether an export, if it is one of the contract's hooks, has the function that can be called as such.
fn has_contracts_type(name: &str, item: &ComponentItem, component: &ComponentType, engine: &Engine) -> bool {
    let (interface, _) = name.split_once('@').unwrap_or((name, ""));
    if !matches!(interface, "wrapper:hook/before-start" | "wrapper:hook/after-exit") {
        return true;
    }
    let ComponentItem::ComponentInstance(instance) = item else { return false };
    let Some(ComponentItem::ComponentFunc(run)) = instance.get_export(engine, "run").map(|export| export.ty) else {
        return false;
    };
    let types = component.instance_type();
    match interface {
        "wrapper:hook/before-start" => run.typecheck::<(), (Result<(), String>,)>(&types).is_ok(),
        _ => run.typecheck::<(types::ExitStatus,), (Result<(), String>,)>(&types).is_ok(),
    }
}

/// Whether an interface is of this package, and of a version that is not compatible with this one.
fn is_other_version(interface: &str) -> bool {
    let Some((_, version)) = interface.strip_prefix("wrapper:hook/").and_then(|rest| rest.split_once('@')) else {
        return false;
    };
    !version.starts_with("0.1.") || version.contains('-')
}

/// Whether an interface is of a version of this contract that came later.
fn is_newer(interface: &str) -> bool {
    let patch =
        interface.strip_prefix("wrapper:hook/").and_then(|rest| rest.split_once("@0.1.")).map(|(_, patch)| patch);
    patch.and_then(|patch| patch.parse::<u64>().ok()).is_some_and(|patch| patch > PATCH)
}

/// An error with its causes, on one line.
fn one_line(error: &wasmtime::Error) -> String {
    printable(&format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::{is_newer, is_other_version};

    #[test]
    fn a_patch_release_is_compatible_and_nothing_else_is() {
        for (name, other) in [
            ("wrapper:hook/after-exit@0.1.0", false),
            ("wrapper:hook/job@0.1.7", false),
            ("wrapper:hook/after-exit@0.2.0", true),
            ("wrapper:hook/after-exit@0.1.0-rc1", true),
            ("wrapper:hook/after-exit@1.1.0", true),
            ("wasi:http/types@0.2.0", false),
        ] {
            assert_eq!(is_other_version(name), other, "{name}");
            assert_eq!(is_newer(name), name.ends_with("0.1.7"), "{name}");
        }
    }
}
