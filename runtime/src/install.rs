//! `--install PATH`: the wrapper copies itself, for an init container in an image that has no `cp`.
//!
//! The copy appears whole or not at all: it is written beside its place and renamed. A file that is not a wrapper is left
//! alone, so that a mistyped path destroys nothing.

use crate::{process::Signal, report::os_words};
use rustix::fs::{StatVfsMountFlags, statvfs};
use std::{
    ffi::{CStr, OsStr},
    fs::{self, File, Permissions},
    io::{self, Read as _},
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Every wrapper has these bytes in it, and nothing else has. Without `used` the optimiser would compare with numbers in
/// the code instead.
#[used]
static MARK: [u8; 29] = *b"\x7fwrapper:entrypoint:1f0c27a4\x7f";

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The place is a folder's.
    #[error("{0} is a folder; name the file, such as {0}/wrapper")]
    Folder(PathBuf),
    /// Something else is there.
    #[error("{0} is there already and is not a wrapper; remove it, or say --force")]
    NotAWrapper(PathBuf),
    /// It was asked to end before it was done.
    #[error("{0} came before it was whole")]
    AskedToEnd(Signal),
    /// A file cannot be read or written.
    #[error("{path}: {}", os_words(error))]
    File {
        /// Which.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
}

/// How much is copied before it is asked again whether to go on, in bytes.
const PIECE: u64 = 1 << 20;

/// No wrapper is larger than this, in bytes: what is, is not read.
const LARGEST: u64 = 64 << 20;

/// Copies the running binary to `path`, with mode 0755, unless it is asked to end meanwhile.
pub fn install(path: &Path, force: bool, mut asked_to_end: impl FnMut() -> Option<Signal>) -> Result<(), InstallError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| InstallError::File { path, error }
    };
    if path.is_dir() {
        return Err(InstallError::Folder(path.to_owned()));
    }
    // Whatever is there, a link that leads nowhere included.
    if !force && path.symlink_metadata().is_ok() && !is_wrapper(path).map_err(at(path))? {
        return Err(InstallError::NotAWrapper(path.to_owned()));
    }
    let own = own_file();
    // An init container that is run again needs no room for a second copy.
    if is_copy(path, &own) {
        warn_if_not_executable(path);
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut copy = tempfile::NamedTempFile::new_in(folder).map_err(at(folder))?;
    let mut original = File::open(&own).map_err(at(&own))?;
    while io::copy(&mut (&mut original).take(PIECE), &mut copy).map_err(at(copy.path()))? > 0 {
        // The temporary file goes away with this.
        if let Some(signal) = asked_to_end() {
            return Err(InstallError::AskedToEnd(signal));
        }
    }
    copy.as_file().set_permissions(Permissions::from_mode(0o755)).map_err(at(copy.path()))?;
    copy.as_file().sync_all().map_err(at(copy.path()))?;
    copy.persist(path).map_err(|failed| InstallError::File { path: path.to_owned(), error: failed.error })?;
    warn_if_not_executable(path);
    Ok(())
}

/// A mount may forbid to execute what lies there: the same volume may be mounted otherwise for the job.
fn warn_if_not_executable(path: &Path) {
    if statvfs(path).is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::NOEXEC)) {
        tracing::warn!("{} is on a file system that is mounted noexec: it cannot be run from there", path.display());
    }
}

fn is_wrapper(path: &Path) -> io::Result<bool> {
    // A pipe would wait for a writer, and a device might never end.
    Ok(path.metadata().is_ok_and(|file| file.is_file() && file.len() <= LARGEST)
        && fs::read(path)?.windows(MARK.len()).any(|window| window == MARK))
}

/// Whether a file is what would be written there.
fn is_copy(path: &Path, own: &Path) -> bool {
    let expected = |file: &fs::Metadata| file.is_file() && file.permissions().mode() & 0o7777 == 0o755;
    let is_as_long = |file: &fs::Metadata| own.metadata().is_ok_and(|own| own.len() == file.len());
    // A link to one may lead elsewhere tomorrow.
    path.symlink_metadata().is_ok_and(|file| expected(&file) && is_as_long(&file))
        && fs::read(path).is_ok_and(|bytes| fs::read(own).is_ok_and(|own| own == bytes))
}

/// The file that this process runs: as the kernel knows it, or where there is no /proc as it was called.
fn own_file() -> PathBuf {
    let link = Path::new("/proc/self/exe");
    if link.exists() {
        return link.to_owned();
    }
    crate::process::called_as().map_or_else(PathBuf::new, |name: &CStr| OsStr::from_bytes(name.to_bytes()).into())
}
