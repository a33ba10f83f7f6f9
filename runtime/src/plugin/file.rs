//! A plugin in a file: checked before the job starts, compiled while it runs.
//!
//! The file is open all the while, and its digest is kept: what is compiled are the very bytes that were checked.

use super::{
    LoadError, On, PluginSpec, Sha256,
    cache::{self, Cache, Entry},
    explain,
    load::{self, Bytes, Unchecked},
};
use crate::{
    process::{Bounds, Isolated, IsolationError, Moment, Output, Supervisor},
    sandbox::{Code, limits},
};
use std::{
    fs::File,
    io::{self, PipeReader, Read as _},
    path::Path,
    time::{Duration, Instant},
};

/// A plugin's file that can be used.
pub struct PluginFile {
    spec: PluginSpec,
    file: File,
    pub facts: Facts,
    cache: Option<Cache>,
    compiled: Compiled,
}

/// How far its compiled form is.
enum Compiled {
    No,
    /// In a process of its own, and perhaps into a file of the cache.
    UnderWay(libc::pid_t, Option<Entry>),
    /// In this file, whatever its name.
    To(File),
}

/// What another process found out about a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub before_start: bool,
    pub after_exit: bool,
    /// Whether it is machine code.
    pub native: bool,
    /// Whether the cache has it.
    cached: bool,
    /// Of the file as it was checked; nothing where it is loaded as it lies there.
    digest: Option<Sha256>,
}

/// A plugin's file, in the process that looks into it.
enum Opened {
    Mapped(Unchecked),
    Read(Bytes),
    Cached(Unchecked, Sha256),
}

impl PluginFile {
    /// Looks into a file, by the deadline.
    pub fn check(
        path: &Path,
        spec: &PluginSpec,
        cache: Option<&Cache>,
        supervisor: &mut Supervisor,
        deadline: Instant,
    ) -> Result<Self, LoadError> {
        let file = load::open(path)?;
        // What is compiled already is loaded as it lies there, unless somebody asks for the digest of what is loaded.
        let in_place = spec.source.is_compiled() && spec.sha256.is_none();
        let cache = cache.filter(|_| !spec.source.is_compiled());
        let prepare = || open(&file, in_place, spec, cache);
        let work = |opened: Result<_, LoadError>| {
            let facts = opened.and_then(|opened| Facts::of(opened, spec));
            facts.map(Facts::to_bytes).map_err(|error| error.to_string())
        };
        let result = supervisor.isolated(Moment::Loading, Output::Few, load::bounds(spec), deadline, prepare, work);
        let mut bytes = [0; FACTS];
        result.map_err(explain)?.read_exact(&mut bytes).map_err(LoadError::Unreadable)?;
        let facts = Facts::from_bytes(bytes);
        for (key, hook, is_pointless) in [
            ("on", "after-exit", !facts.after_exit && spec.on != On::Always),
            ("required", "before-start", !facts.before_start && !spec.required),
        ] {
            if is_pointless {
                return Err(LoadError::NoSuchHook { key, hook });
            }
        }
        let cached = || cache.filter(|_| facts.cached)?.find(spec, facts.digest?);
        let compiled = match cached() {
            Some(cached) => {
                tracing::debug!("{} is in the cache", spec.source);
                Compiled::To(cached)
            }
            None if in_place => Compiled::To(file.try_clone().map_err(LoadError::Unreadable)?),
            None => Compiled::No,
        };
        Ok(Self { spec: spec.clone(), file, facts, cache: cache.cloned(), compiled })
    }

    pub fn is_compiled(&self) -> bool {
        matches!(self.compiled, Compiled::To(_))
    }

    /// Maps its compiled form.
    pub fn map(&self) -> Result<Unchecked, LoadError> {
        match &self.compiled {
            Compiled::To(file) => load::map(file, self.spec.grants.memory),
            _ => Err(LoadError::NotCompiled),
        }
    }

    /// Begins to compile it at a low priority, with so much time on a CPU, when it is its turn. Returns the next one's turn,
    /// which has come when nobody can write to the pipe any more.
    pub fn compile_beside(
        &mut self,
        supervisor: &mut Supervisor,
        time: Duration,
        mut turn: Option<PipeReader>,
    ) -> Option<PipeReader> {
        // Held by the process until its end.
        let (next, _writer) = io::pipe().ok()?;
        let wait = || {
            if let Some(turn) = &mut turn {
                // Nothing is written to it.
                drop(turn.read(&mut [0]));
            }
        };
        let entry = self.entry();
        let bounds = Bounds { background: Some(time), ..load::bounds(&self.spec) };
        match self.start(bounds, entry.as_ref(), wait) {
            Ok(work) => self.compiled = Compiled::UnderWay(supervisor.add(work), entry),
            // It is tried again when the job has ended, and then told.
            Err(error) => tracing::debug!("{} is not compiled yet: {error}", self.spec.source),
        }
        Some(next)
    }

    /// Sees to it that it is compiled, by the deadline.
    pub fn compile(
        &mut self,
        supervisor: &mut Supervisor,
        moment: Moment<'_>,
        deadline: Instant,
    ) -> Result<(), IsolationError> {
        let (pid, entry) = match std::mem::replace(&mut self.compiled, Compiled::No) {
            compiled @ Compiled::To(_) => {
                self.compiled = compiled;
                return Ok(());
            }
            Compiled::UnderWay(pid, entry) => {
                supervisor.hurry(pid);
                (pid, entry)
            }
            Compiled::No => {
                let entry = self.entry();
                (supervisor.add(self.start(load::bounds(&self.spec), entry.as_ref(), || ())?), entry)
            }
        };
        let file = match supervisor.finish(pid, moment, deadline) {
            // Such as for lack of memory, which the job may have had, or on a disk that is full.
            Err(
                error @ (IsolationError::Died(..)
                | IsolationError::OutOfMemory(_)
                | IsolationError::NoRoom
                | IsolationError::System(_)),
            ) if Instant::now() < deadline => {
                tracing::debug!("{} is compiled again: {error}", self.spec.source);
                drop(entry);
                let again = self.start(load::bounds(&self.spec), None, || ())?;
                let pid = supervisor.add(again);
                supervisor.finish(pid, moment, deadline)?
            }
            result => {
                let file = result?;
                entry.into_iter().for_each(Entry::complete);
                file
            }
        };
        self.compiled = Compiled::To(file);
        Ok(())
    }

    fn entry(&self) -> Option<Entry> {
        self.cache.as_ref()?.begin(&self.spec, self.facts.digest?)
    }

    fn start(&self, bounds: Bounds, entry: Option<&Entry>, wait: impl FnOnce()) -> io::Result<Isolated> {
        let read = || {
            wait();
            Bytes::read(&self.file)
        };
        let work = |bytes: Result<Bytes, LoadError>| {
            let compiled = bytes.and_then(|bytes| match self.facts.digest {
                Some(digest) if digest != bytes.digest => Err(LoadError::Changed),
                _ => load::compile(bytes, &self.spec),
            });
            let mut bytes = compiled.map_err(|error| error.to_string())?.bytes;
            if entry.is_none() && bytes.len() > limits::COMPILED {
                return Err(LoadError::CompiledTooLarge.to_string());
            }
            if let (Some(_), Some(digest)) = (entry, self.facts.digest) {
                cache::seal(&mut bytes, digest);
            }
            Ok(bytes)
        };
        let output = match entry {
            Some(entry) => Output::Into(entry.file().try_clone()?),
            None => Output::Many,
        };
        Isolated::start(output, bounds, read, work)
    }
}

/// In a process of its own, while it may have files.
fn open(file: &File, in_place: bool, spec: &PluginSpec, cache: Option<&Cache>) -> Result<Opened, LoadError> {
    if in_place {
        return load::map(file, spec.grants.memory).map(Opened::Mapped);
    }
    let bytes = Bytes::read(file)?;
    bytes.are_meant(spec)?;
    let cached = cache.and_then(|cache| cache.find(spec, bytes.digest));
    match cached
        .map(|cached| cache::is_whole(&cached, bytes.digest).and_then(|()| load::map(&cached, spec.grants.memory)))
    {
        Some(Ok(unchecked)) => Ok(Opened::Cached(unchecked, bytes.digest)),
        Some(Err(error)) => {
            tracing::debug!("what the cache has of {} {error}", spec.source);
            Ok(Opened::Read(bytes))
        }
        None => Ok(Opened::Read(bytes)),
    }
}

/// The bytes by which one process tells another.
const FACTS: usize = 4 + 1 + 32;

impl Facts {
    /// In a process of its own, which has no files any more: checks a plugin.
    fn of(opened: Opened, spec: &PluginSpec) -> Result<Self, LoadError> {
        let (unchecked, digest, cached) = match opened {
            Opened::Mapped(unchecked) => (unchecked, None, false),
            Opened::Cached(unchecked, digest) => (unchecked, Some(digest), true),
            Opened::Read(bytes) => {
                let digest = bytes.digest;
                (load::load_to_check(bytes, spec)?, Some(digest), false)
            }
        };
        let guest = load::check(&unchecked, spec.grants.memory)?;
        let native = unchecked.sandbox.code() == Code::Native;
        Ok(Self { before_start: guest.has_before_start(), after_exit: guest.has_after_exit(), native, cached, digest })
    }

    fn to_bytes(self) -> Vec<u8> {
        let flags = [self.before_start, self.after_exit, self.native, self.cached, self.digest.is_some()];
        [&flags.map(u8::from)[..], &self.digest.unwrap_or(Sha256([0; 32])).0].concat()
    }

    fn from_bytes(bytes: [u8; FACTS]) -> Self {
        let (flags, digest) = bytes.split_at(FACTS - 32);
        let [before_start, after_exit, native, cached, has_digest] = std::array::from_fn(|at| flags[at] != 0);
        let digest = digest.try_into().ok().filter(|_| has_digest).map(Sha256);
        Self { before_start, after_exit, native, cached, digest }
    }
}
