//! Builds plugins written in Rust into WebAssembly components.
//!
//! `wrapper-bake` calls this for the plugins that the runtime includes, and the program of the same name for those that are
//! handed out as files, so that both are the same bytes. The steps are `cargo build --target wasm32-unknown-unknown` and
//! what `wasm-tools component new` does.

mod hooks;
pub mod key;
pub mod marks;
pub mod table;
mod toolchain;

pub use hooks::Hook;
pub use toolchain::{Toolchain, ToolchainError};

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// How a plugin is compiled: the name of a profile in the workspace's `Cargo.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As small as can be.
    Plugin,
    /// With DWARF and the names that a backtrace shows.
    PluginDebug,
}

impl Profile {
    /// The profile's name, as cargo knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::PluginDebug => "plugin-debug",
        }
    }
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No compiler on this machine can.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// Cargo found fault; it has said what.
    #[error("cargo could not build the plugins {0}")]
    Cargo(String),
    /// The compiled module does not make a component.
    #[error("{} does not make a component: {reason}", module.display())]
    Component {
        /// The core module.
        module: PathBuf,
        /// What the encoder said.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
}

/// A plugin that is part of the wrapper.
#[derive(Clone, Debug)]
pub struct BuiltIn {
    /// Its name.
    pub name: String,
    /// What it runs. Its component may have more.
    pub hook: Hook,
    /// Variables that it may see, in addition to those named `HOOK_…`.
    pub variables: Vec<&'static str>,
    /// The component, which several may share.
    pub component: PathBuf,
    /// The same for those who load it as a file: it has this hook only, and is called by this name.
    pub file: PathBuf,
}

/// Builds the packages `names` of this workspace, below `target_dir`, and returns the components' files in that order.
pub fn build(names: &[&str], profile: Profile, target_dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut cargo = Toolchain::find()?.cargo_build();
    cargo.current_dir(workspace()).args(["--locked", "--profile", profile.name()]);
    cargo.arg("--target-dir").arg(target_dir);
    for name in names {
        cargo.args(["--package", name]);
    }
    let status = cargo.status().map_err(|error| Error::File { path: cargo.get_program().into(), error })?;
    if !status.success() {
        return Err(Error::Cargo(names.join(", ")));
    }

    let components = target_dir.join("components").join(profile.name());
    fs::create_dir_all(&components).map_err(|error| Error::File { path: components.clone(), error })?;
    names
        .iter()
        .map(|name| {
            let component = components.join(name).with_extension("wasm");
            componentize(&module(name, profile, target_dir), None, &component)?;
            Ok(component)
        })
        .collect()
}

/// Builds the plugins that are part of the wrapper, in alphabetical order.
pub fn build_built_ins(profile: Profile, target_dir: &Path) -> Result<Vec<BuiltIn>, Error> {
    let components = build(&["echo", "sidecars", "telemetry"], profile, target_dir)?;
    let [echo, sidecars, telemetry] = &components[..] else { unreachable!("as many as were asked for") };
    let echo = BuiltIn {
        name: "echo".to_owned(),
        hook: Hook::AfterExit,
        variables: Vec::new(),
        component: echo.clone(),
        file: echo.clone(),
    };
    let sidecars = table::names().into_iter().map(|(name, kind)| {
        let (component, package) = match kind {
            table::Kind::Wait | table::Kind::Quit => (sidecars, "sidecars"),
            table::Kind::Drain | table::Kind::Report => (telemetry, "telemetry"),
        };
        let hook = if kind == table::Kind::Wait { Hook::BeforeStart } else { Hook::AfterExit };
        let file = component.with_file_name(&name).with_extension("wasm");
        componentize(&module(package, profile, target_dir), Some(hook), &file)?;
        let variables = table::variables(&name);
        Ok(BuiltIn { name, hook, variables, component: component.clone(), file })
    });
    let mut all = sidecars.chain([Ok(echo)]).collect::<Result<Vec<_>, Error>>()?;
    all.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

fn module(name: &str, profile: Profile, target_dir: &Path) -> PathBuf {
    target_dir.join(toolchain::TARGET).join(profile.name()).join(name.replace('-', "_")).with_extension("wasm")
}

/// Makes a component of a module, with one of its hooks or with all.
fn componentize(module: &Path, hook: Option<Hook>, component: &Path) -> Result<(), Error> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| Error::File { path, error }
    };
    let bytes = fs::read(module).map_err(at(module))?;
    let encoded = hook
        .map_or_else(|| Ok(bytes.clone()), |hook| hook.alone(&bytes))
        .and_then(|bytes| wit_component::ComponentEncoder::default().module(&bytes))
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| Error::Component { module: module.to_owned(), reason: format!("{error:#}") })?;
    fs::write(component, encoded).map_err(at(component))
}

/// The workspace: where it is now, which need not be where this was compiled.
pub fn workspace() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let is_workspace = |folder: &&Path| folder.join("Cargo.lock").exists();
    package.ancestors().find(is_workspace).expect("packages lie below their workspace").to_owned()
}
