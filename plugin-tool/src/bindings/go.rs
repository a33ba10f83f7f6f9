//! For Go: the package `hook`, as a folder of the project's module.
//!
//! It is written by hand rather than generated: it needs no other module and no flag of the linker, an author's code is ordinary
//! Go, and what the host returns is copied into Go's memory after a call, since Go's collector must not begin within one.

use anyhow::{Context as _, Result};
use std::{fs, path::Path};

macro_rules! package {
    ($($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../../bindings/go/", $file)))),+]
    };
}

const FILES: &[(&str, &str)] = package![
    "hook.go",
    "localhost.go",
    "log.go",
    "sidecar.go",
    "afterexit/afterexit.go",
    "beforestart/beforestart.go",
    "hookhttp/hookhttp.go",
    "hooklog/hooklog.go",
    "internal/abi/empty.s",
    "internal/abi/job.go",
    "internal/abi/localhost.go",
    "internal/abi/log.go",
    "internal/abi/memory.go",
    "internal/abi/outcome.go",
    "internal/abi/sidecar.go",
    "internal/abi/status.go",
];

/// What the files import each other by, as they lie here: the first quote and the beginning of a path.
const IMPORT: &str = "\"notify/hook";

/// The package's files, which import each other by the name of the module that `folder` is in.
pub fn files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let folder = std::path::absolute(folder)?;
    let mut above = folder.ancestors().skip(1).map(|parent| (parent, parent.join("go.mod")));
    let (root, manifest) = above.find(|(_, manifest)| manifest.exists()).with_context(|| {
        format!("{} is in no Go module: there is no go.mod above it; run `go mod init NAME` first", folder.display())
    })?;
    let text = fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let module = text.lines().find_map(|line| line.trim().strip_prefix("module "));
    let module = module.with_context(|| format!("{} has no line that begins with `module`", manifest.display()))?;
    let inside = folder.strip_prefix(root).unwrap_or(&folder).display();
    let import = format!("\"{}/{inside}", module.trim().trim_matches('"'));
    Ok(FILES.iter().map(|(name, text)| ((*name).to_owned(), text.replace(IMPORT, &import).into_bytes())).collect())
}
