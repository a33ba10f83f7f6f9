//! Files, read and written whole, with errors that say which; and stdout.

use anyhow::{Context as _, Result};
use std::{
    fmt,
    fs::{self, Permissions},
    io::{Write as _, stdout},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::exit,
};
use wrapper::report::os_words;

/// A file's contents.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        file.persist(path).map_err(|error| error.error)
    };
    write().map(drop).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes files below a folder, which is made where it is missing.
pub fn write_all(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<()> {
    for (name, bytes) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| format!("cannot make the folder {}", parent.display()))?;
        write(&path, bytes)?;
    }
    Ok(())
}

/// Writes to stdout; where that cannot be, such as on a full disk, this is the end.
pub fn print(text: fmt::Arguments<'_>) {
    if let Err(error) = stdout().write_fmt(text) {
        eprintln!("wrapper-plugin: error: cannot write to stdout: {}", os_words(&error));
        exit(1);
    }
}

/// The same as `print!`.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::files::print(format_args!($($text)*))
    };
}
pub(crate) use say;
