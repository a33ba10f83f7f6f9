//! What an image must have for a contender, beside the job: nothing is taken to be there, as in `distroless/static`.

use crate::contender::in_path;
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use wrapper_tests::{dist, tool};

/// Files, and what they take.
pub struct Files {
    pub count: usize,
    /// As they lie on a node's disk.
    pub bytes: u64,
    /// What a pull transfers: each by itself through `gzip`, whose level is that of most who build images.
    pub packed: u64,
}

/// Those of a contender by this name.
pub fn files(name: &str) -> Result<Files> {
    let programs = match name {
        "wrapper" | "wrapper-slim" => vec![dist(name)],
        "Go launcher" => vec![tool("launcher")],
        "tini, no quit" => vec![in_path("tini")?],
        "sh, curl" => vec![in_path("sh")?, in_path("curl")?],
        "busybox sh, wget" => vec![in_path("busybox")?],
        other => bail!("nobody said what {other} consists of"),
    };
    let mut all = BTreeSet::new();
    for program in programs {
        all.extend(libraries(&program)?);
        all.insert(fs::canonicalize(program)?);
    }
    let mut files = Files { count: all.len(), bytes: 0, packed: 0 };
    for file in all {
        files.bytes += fs::metadata(&file)?.len();
        let packed = Command::new("gzip").arg("--stdout").arg(&file).output().context("gzip")?;
        ensure!(packed.status.success(), "gzip {}: {}", file.display(), packed.status);
        files.packed += packed.stdout.len() as u64;
    }
    Ok(files)
}

/// The loader and the libraries of a program, each as the file that it is; none of one that is static.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("ldd")?;
    // ldd fails where there is nothing to list.
    let text = String::from_utf8(output.stdout)?;
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(fs::canonicalize);
    Ok(text.lines().filter_map(path).collect::<Result<_, _>>()?)
}
