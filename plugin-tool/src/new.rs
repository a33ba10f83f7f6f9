//! `new`: a project to begin with.

use crate::{
    World,
    component::WIT,
    files::{self, say},
    templates,
};
use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
};

/// Begin a project: source, contract, a Makefile that builds it, a test
#[derive(Debug, Args)]
pub struct New {
    /// The project's folder, which must not be there yet; its last part is the plugin's name
    name: PathBuf,

    /// The language to write it in
    #[arg(long = "lang", value_enum)]
    language: Language,

    /// The hooks that it has
    #[arg(long, value_enum, default_value_t)]
    world: World,
}

/// A language that there are templates for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust, with the crate wrapper-hook
    Rust,
    /// C, without a libc
    C,
    /// Go, the usual one
    Go,
    /// JavaScript, run by QuickJS
    Js,
    /// Python
    Python,
}

impl New {
    /// Makes the folder with all that is in it, or nothing.
    pub fn run(self) -> Result<()> {
        let path = &self.name;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !is_name {
            bail!(
                "'{}' is not a plugin's name: it begins with a small letter, and small letters, digits and dashes follow, \
                 such as tell-slack",
                path.display()
            );
        }
        let template = templates::of(self.language);
        if template.is_reserved(name) {
            bail!(
                "a plugin in {} cannot be called {name}, as a part of the project has that name; choose another",
                template.name
            );
        }
        if path.symlink_metadata().is_ok() {
            bail!("{} is there already, and nothing is overwritten; choose another name or remove it", path.display());
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(".".as_ref());
        let cannot = || format!("cannot make the folder {}", path.display());
        fs::create_dir_all(parent).with_context(cannot)?;
        let folder = tempfile::Builder::new().prefix(".wrapper-plugin-").tempdir_in(parent).with_context(cannot)?;
        files::write_all(folder.path(), &template.files(name, self.world))?;
        files::write_all(folder.path(), &[("wit/hook.wit".to_owned(), WIT.into())])?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).with_context(cannot)?;
        // Whoever made one meanwhile keeps it.
        rename(folder, path).with_context(cannot)?;

        let (folder, language) = (path.display(), template.name);
        say!("Made {folder}, a plugin in {language}, which needs {}. Next:\n\n", template.needs);
        say!("  cd {}\n", quoted(&folder.to_string()));
        say!("  make\n");
        say!("  wrapper-plugin run {name}.wasm --serve 8080=200\n");
        say!("  wrapper --plugin ./{name}.wasm -- true\n\n");
        say!("{} is where to begin; README.md tells the rest.\n", template.source(name));
        Ok(())
    }
}

/// As a shell has to be given it.
fn quoted(path: &str) -> String {
    if path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte)) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

fn rename(folder: tempfile::TempDir, path: &std::path::Path) -> io::Result<()> {
    fs::rename(folder.path(), path)?;
    // It is not there any more under the name that would be removed.
    drop(folder.keep());
    Ok(())
}
