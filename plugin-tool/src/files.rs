//! Files, read and written whole, with errors that say which; and stdout.

use anyhow::{Context as _, Result, anyhow, bail};
use std::{
    fmt,
    fs::{self, Permissions},
    io::{self, Write as _, stdout},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::exit,
};
use wrapper::{report::os_words, sandbox::limits::PLUGIN_FILE};

/// The contents of a file that is no larger than a plugin may be. A pipe or a device is none: it might never end.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", path.display());
    let data = fs::metadata(path).with_context(cannot)?;
    if !data.is_file() {
        bail!("{}: it is not a regular file", cannot());
    }
    if data.len() > PLUGIN_FILE {
        bail!("{}: it has more than {} MiB", cannot(), PLUGIN_FILE >> 20);
    }
    fs::read(path).with_context(cannot)
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
    // Not in the library's words, which name a file that the user does not know of.
    write().map(drop).map_err(|error: io::Error| anyhow!("cannot write {}: {}", path.display(), os_words(&error)))
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
