//! Which compiler makes WebAssembly on this machine.
//!
//! | found | how it is used |
//! |---|---|
//! | rustup's standard library for `wasm32-unknown-unknown` | plain `cargo build` |
//! | Debian's `rustc-web`, `cargo-web`, `rust-web-src`, `lld-19` | builds the standard library from its source first |
//!
//! The `rustc` of the PATH comes before the one that runs this build: they differ where another compiler is needed for
//! another CPU, and the plugins are to be the same bytes for all of them.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// The target that plugins are compiled for. It brings no libc, so a plugin imports what it uses and nothing else.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// A compiler for `wasm32-unknown-unknown`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// A compiler has the target's standard library.
    Installed {
        /// The cargo that belongs to it.
        cargo: PathBuf,
    },
    /// Debian's compiler, its library's source and this linker.
    DebianSource {
        /// LLVM's linker for WebAssembly.
        linker: PathBuf,
    },
}

/// There is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "the plugins are compiled for {TARGET}, which no Rust compiler on this machine can do yet; \
     run `make setup`, or `rustup target add {TARGET}`, \
     or on Debian 12 `apt-get install rustc-web cargo-web rust-web-src lld-19`"
)]
pub struct ToolchainError;

impl Toolchain {
    /// Looks for a compiler, the usual one first.
    pub fn find() -> Result<Self, ToolchainError> {
        let own = env::var_os("RUSTC").zip(env::var_os("CARGO"));
        for (rustc, cargo) in [Some(("rustc".into(), "cargo".into())), own].into_iter().flatten() {
            if print(Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]))
                .is_some_and(|dir| dir.is_dir())
            {
                return Ok(Self::Installed { cargo: cargo.into() });
            }
        }
        let source = print(Command::new("/usr/bin/rustc").args(["--print", "sysroot"]))
            .is_some_and(|sysroot| sysroot.join("lib/rustlib/src/rust/library/std/Cargo.toml").exists());
        let linker =
            ["/usr/bin/wasm-ld-19", "/usr/bin/wasm-ld"].map(PathBuf::from).into_iter().find(|path| path.exists());
        match linker {
            Some(linker) if source && Path::new("/usr/bin/cargo").exists() => Ok(Self::DebianSource { linker }),
            _ => Err(ToolchainError),
        }
    }

    /// `cargo build`, told to compile for [`TARGET`], and shielded from what an outer cargo sets for the host's build.
    pub(crate) fn cargo_build(&self) -> Command {
        let mut cargo = match self {
            Self::Installed { cargo } => Command::new(cargo),
            Self::DebianSource { .. } => Command::new("/usr/bin/cargo"),
        };
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let profile = name.starts_with("CARGO_PROFILE_") || name.starts_with("CARGO_TARGET_");
            let flags = name.ends_with("RUSTFLAGS") || name.starts_with("RUSTC") || name == "RUSTDOC";
            if profile || flags || name.starts_with("CARGO_BUILD_") || name.starts_with("CARGO_CFG_") {
                cargo.env_remove(&name);
            }
        }
        cargo.env_remove("CARGO").arg("build");
        if let Self::DebianSource { linker } = self {
            // Building the standard library is not yet stable cargo, hence the last variable; the compiler is a stable one.
            cargo
                .env("RUSTC", "/usr/bin/rustc")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                .env("RUSTC_BOOTSTRAP", "1")
                .args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]);
        }
        cargo.args(["--target", TARGET]);
        cargo
    }
}

/// The path that a command prints, if it prints one.
fn print(command: &mut Command) -> Option<PathBuf> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end()))
}
