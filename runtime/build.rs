//! Finds the built-in plugins, compiled ahead of time. The project's scripts have `wrapper-bake` make them before anything else;
//! where they are not there, this calls it.

#[path = "../guest-plugins/build/src/key.rs"]
mod key;

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The workspace: build scripts run in the folder of their package.
const WORKSPACE: &str = "..";

fn main() -> Result<(), Box<dyn Error>> {
    // Where the kernel begins: see process/before_main.rs.
    if matches!(env::var("CARGO_CFG_TARGET_ARCH")?.as_str(), "x86_64" | "aarch64") {
        println!("cargo::rustc-link-arg-bins=-ewrapper_entry");
    }

    let endian = env::var("CARGO_CFG_TARGET_ENDIAN")?;
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    let target_dir = key::target_dir(&out_dir, &env::var("TARGET")?);
    let folder = key::folder(&target_dir, &endian);
    for source in key::SOURCES {
        println!("cargo::rerun-if-changed={WORKSPACE}/{source}");
    }

    let key = key::key(Path::new(WORKSPACE))?;
    let is_there = fs::read_to_string(folder.join("key")).is_ok_and(|old| old == key);
    if !is_there && !bake(&target_dir, &endian)? {
        // A build script's returned error is printed with debug quotes around it; this is for a person.
        eprintln!("error: the built-in plugins could not be built, see above; `make build` does all that it takes");
        std::process::exit(1);
    }
    // Into this build's own folder: where the target folder is another's, as in an image, what was built stays fresh.
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        fs::copy(entry.path(), out_dir.join(entry.file_name()))?;
    }
    println!("cargo::rustc-env=WRAPPER_BUILD={}", fs::read_to_string(out_dir.join("build"))?);
    Ok(())
}

/// Builds and compiles them, in a target folder of its own, as cargo has the other locked. Returns whether it could.
fn bake(target_dir: &Path, endian: &str) -> Result<bool, Box<dyn Error>> {
    let mut cargo = Command::new("cargo");
    // What the outer cargo sets for this build is not meant for another.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let of_the_build = ["CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_BUILD_", "CARGO_CFG_", "RUSTC"];
        if of_the_build.iter().any(|prefix| text.starts_with(prefix)) || text.ends_with("RUSTFLAGS") {
            cargo.env_remove(&name);
        }
    }
    cargo.env_remove("CARGO").current_dir(WORKSPACE);
    cargo.args(["run", "--quiet", "--locked", "--profile", "fast", "--package", "wrapper-bake"]);
    cargo.arg("--target-dir").arg(target_dir.join("bake")).arg("--").arg(target_dir).arg(endian);
    Ok(cargo.status()?.success())
}
