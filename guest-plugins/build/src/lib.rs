//! Builds plugins written in Rust into WebAssembly components.
//!
//! The runtime's build script calls this for the plugins it embeds, and the program of the same name for those that are
//! handed out as files, so that both are the same bytes. The steps are `cargo build --target wasm32-unknown-unknown` and
//! what `wasm-tools component new` does.

mod toolchain;

pub use toolchain::{Toolchain, ToolchainError};

use std::{
    fs, io,
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

/// Folders whose contents decide what the plugins are: for a build script's `rerun-if-changed`.
pub fn sources() -> [PathBuf; 2] {
    [workspace().join("guest-plugins"), workspace().join("wit")]
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

    let modules = target_dir.join(toolchain::TARGET).join(profile.name());
    let components = target_dir.join("components").join(profile.name());
    fs::create_dir_all(&components).map_err(|error| Error::File { path: components.clone(), error })?;
    names
        .iter()
        .map(|name| {
            let component = components.join(name).with_extension("wasm");
            componentize(&modules.join(name.replace('-', "_")).with_extension("wasm"), &component)?;
            Ok(component)
        })
        .collect()
}

/// Where a build script for `host` keeps the guests' build: one folder below cargo's target folder, for all profiles.
pub fn target_dir(out_dir: &Path, host: &str) -> PathBuf {
    // OUT_DIR is TARGET_DIR/[HOST/]PROFILE/build/PACKAGE/out.
    let parent = out_dir.ancestors().nth(4).unwrap_or(out_dir);
    let target = if parent.ends_with(host) { parent.parent().unwrap_or(parent) } else { parent };
    target.join("guests")
}

fn componentize(module: &Path, component: &Path) -> Result<(), Error> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| Error::File { path, error }
    };
    let bytes = fs::read(module).map_err(at(module))?;
    let encoded = wit_component::ComponentEncoder::default()
        .module(&bytes)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| Error::Component { module: module.to_owned(), reason: format!("{error:#}") })?;
    fs::write(component, encoded).map_err(at(component))
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate lies two folders below the workspace")
}
