//! What the built-in plugins are made of, in short: the runtime's build script takes them as they are if nothing of it has changed.
//!
//! The build script is compiled with this file and without the rest of this package, so it uses the standard library alone.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The files and folders in the workspace that decide what the plugins and their compiled form are.
pub const SOURCES: [&str; 5] = ["guest-plugins", "wit", "runtime/src/sandbox/engine.rs", "Cargo.toml", "Cargo.lock"];

/// The folder below cargo's target folder that they are kept in, for CPUs of one kind: `little` or `big`.
pub fn folder(target_dir: &Path, endian: &str) -> PathBuf {
    target_dir.join("guests").join(format!("built-in-{endian}"))
}

/// A hash of every source, with its name (FNV-1a: <https://www.rfc-editor.org/rfc/rfc9923>). Nobody is to be kept from making up
/// another with the same.
pub fn key(workspace: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        add_files(&workspace.join(source), &mut files)?;
    }
    files.sort_unstable();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    };
    for file in files {
        let name = file.strip_prefix(workspace).unwrap_or(&file);
        add(name.as_os_str().as_encoded_bytes());
        add(&fs::read(&file)?);
    }
    Ok(format!("{hash:016x}"))
}

fn add_files(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        add_files(&entry?.path(), files)?;
    }
    Ok(())
}

/// The target folder, from the folder that cargo gives a build script for `host`.
pub fn target_dir(out_dir: &Path, host: &str) -> PathBuf {
    // OUT_DIR is TARGET_DIR/[HOST/]PROFILE/build/PACKAGE/out.
    let parent = out_dir.ancestors().nth(4).unwrap_or(out_dir);
    if parent.ends_with(host) { parent.parent().unwrap_or(parent) } else { parent }.to_owned()
}
