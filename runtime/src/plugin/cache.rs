//! `--cache`: plugins that were compiled in an earlier run.
//!
//! What is loaded from here is trusted as the wrapper itself is, so the folder and each file in it must be this user's and
//! nobody else's to write to, and each has a digest, by which one that was damaged is known. Whatever is in doubt is left
//! alone, which costs no more than compiling anew; the debug log says so.

use super::{LoadError, Sha256, spec::PluginSpec};
use crate::{report::os_words, sandbox::BUILD};
use rustix::{
    fd::OwnedFd,
    fs::{
        AtFlags, FileType, FlockOperation, Mode, OFlags, Stat, flock, fstat, ftruncate, mkdir, open, openat, renameat,
        statat, unlinkat,
    },
    io::Errno,
    process::geteuid,
};
use sha2::Digest as _;
use std::{env::consts::ARCH, fs::File, io, os::unix::fs::FileExt as _, path::Path, rc::Rc};

/// A folder that can be trusted.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: Rc<OwnedFd>,
}

/// A file in it that is being written, and has no name yet by which it would be found. Dropped, it goes away.
#[derive(Debug)]
pub struct Entry {
    folder: Rc<OwnedFd>,
    file: File,
    name: String,
    is_complete: bool,
}

impl Cache {
    /// Opens the folder, and makes it where there is none.
    pub fn open(path: &Path) -> Option<Self> {
        let opened = || -> io::Result<OwnedFd> {
            if let Err(error) = mkdir(path, Mode::RWXU)
                && error != Errno::EXIST
            {
                return Err(error.into());
            }
            let folder = open(path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            is_ours(&fstat(&folder)?)?;
            Ok(folder)
        };
        match opened() {
            Ok(folder) => Some(Self { folder: Rc::new(folder) }),
            Err(error) => {
                tracing::debug!("the cache {} is not used: {}", path.display(), os_words(&error));
                None
            }
        }
    }

    /// What was compiled of these bytes, if it is there.
    pub fn find(&self, spec: &PluginSpec, digest: Sha256) -> Option<File> {
        let name = name(spec, digest);
        let found = || -> io::Result<File> {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = openat(&self.folder, &name, flags, Mode::empty())?;
            let stat = fstat(&file)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(io::Error::other("it is not a regular file"));
            }
            is_ours(&stat)?;
            Ok(file.into())
        };
        match found() {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::debug!("{name} in the cache is not used: {}", os_words(&error));
                None
            }
        }
    }

    /// A file for what is being compiled. There is none while another wrapper compiles the same.
    pub fn begin(&self, spec: &PluginSpec, digest: Sha256) -> Option<Entry> {
        let name = name(spec, digest);
        let begun = || -> io::Result<OwnedFd> {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = openat(&self.folder, part(&name), flags, Mode::RUSR | Mode::WUSR)?;
            // Held until the last process has closed it, so nobody waits for a wrapper that was killed.
            flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            // Who had the lock may have completed it meanwhile.
            let (locked, named) = (fstat(&file)?, statat(&self.folder, part(&name), AtFlags::SYMLINK_NOFOLLOW)?);
            is_ours(&locked)?;
            if locked.st_ino != named.st_ino {
                return Err(io::Error::other("it has just been made"));
            }
            ftruncate(&file, 0)?;
            Ok(file)
        };
        match begun() {
            Ok(file) => Some(Entry { folder: Rc::clone(&self.folder), file: file.into(), name, is_complete: false }),
            Err(error) => {
                tracing::debug!("{name} is not kept in the cache: {}", os_words(&error));
                None
            }
        }
    }
}

impl Entry {
    /// What is to be written to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// All of it has been written: from now on it is found.
    pub fn complete(mut self) {
        match renameat(&self.folder, part(&self.name), &self.folder, &self.name) {
            Ok(()) => self.is_complete = true,
            Err(error) => tracing::debug!("{} is not kept in the cache: {}", self.name, os_words(&error.into())),
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.is_complete
            && let Err(error) = unlinkat(&self.folder, part(&self.name), AtFlags::empty())
        {
            tracing::debug!("{} stays in the cache: {}", part(&self.name), os_words(&error.into()));
        }
    }
}

/// Appends a digest of the compiled code and of what it was compiled from, which is of no meaning to who loads it.
pub fn seal(compiled: &mut Vec<u8>, source: Sha256) {
    let seal = seal_of(compiled, source);
    compiled.extend(seal);
}

/// Whether it is what was compiled from that, as it was then: a disk may fail, and a file be put in another's place.
pub fn is_whole(file: &File, source: Sha256) -> Result<(), LoadError> {
    let mut compiled = vec![0; usize::try_from(file.metadata().map_err(LoadError::Unreadable)?.len()).unwrap_or(0)];
    file.read_exact_at(&mut compiled, 0).map_err(LoadError::Unreadable)?;
    match compiled.split_last_chunk::<SEAL>() {
        Some((compiled, seal)) if *seal == seal_of(compiled, source) => Ok(()),
        _ => Err(LoadError::NotWhole),
    }
}

/// Bytes of a digest.
const SEAL: usize = 32;

fn seal_of(compiled: &[u8], source: Sha256) -> [u8; SEAL] {
    sha2::Sha256::new().chain_update(source.0).chain_update(compiled).finalize().into()
}

/// All that the compiled code depends on.
fn name(spec: &PluginSpec, digest: Sha256) -> String {
    let build = BUILD.replace(' ', "-");
    let target = spec.code.target().unwrap_or(ARCH);
    format!("{digest}-{build}-{target}.cwasm")
}

fn part(name: &str) -> String {
    format!("{name}.part")
}

fn is_ours(stat: &Stat) -> io::Result<()> {
    if stat.st_uid != geteuid().as_raw() {
        return Err(io::Error::other(format!("it belongs to user {}", stat.st_uid)));
    }
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
        return Err(io::Error::other(format!("others may write to it (mode {:04o})", stat.st_mode & 0o7777)));
    }
    Ok(())
}
