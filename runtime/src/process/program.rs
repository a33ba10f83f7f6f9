//! Files that may be programs: what execve(2) says of one it cannot execute is short, and misleads where it is something else that
//! is not there.

use std::{
    env::consts::ARCH,
    ffi::{CStr, OsStr},
    fs::{self, File, OpenOptions},
    io,
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::{FileExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};

/// What is looked at of a file, in bytes: as much as the kernel does (BINPRM_BUF_SIZE).
const HEAD: usize = 256;

/// How many interpreters of interpreters are looked at.
const DEPTH: usize = 4;

/// The CPUs of images by their numbers (elf(5), `e_machine`).
const MACHINES: [(u64, &str, &str); 8] = [
    (3, "386", "x86"),
    (21, "ppc64le", "powerpc64"),
    (22, "s390x", "s390x"),
    (40, "arm", "arm"),
    (62, "amd64", "x86_64"),
    (183, "arm64", "aarch64"),
    (243, "riscv64", "riscv64"),
    (258, "loong64", "loongarch64"),
];

/// Whether a shell can make anything of it: bytes of zero are no text. Async-signal-safe.
pub(super) fn is_text(path: &CStr) -> bool {
    let mut head = [0_u8; HEAD];
    // SAFETY: the path is a C string; the pointer and the length are those of the array.
    let count = unsafe {
        let file = libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_NONBLOCK | libc::O_CLOEXEC);
        let count = libc::read(file, head.as_mut_ptr().cast(), head.len());
        libc::close(file);
        count
    };
    usize::try_from(count).is_ok_and(|count| !head[..count].contains(&0))
}

/// What an error means for this file, if there is more to say than its own words.
pub(super) fn explain(path: &CStr, error: &io::Error) -> Option<String> {
    let mut path = Path::new(OsStr::from_bytes(path.to_bytes())).to_owned();
    match error.raw_os_error() {
        Some(libc::ENOEXEC) => {
            let machine = Elf::of(&open(&path)?)?.number(18, 2);
            let (_, name, _) = MACHINES.into_iter().find(|(number, _, own)| *number == machine && *own != ARCH)?;
            Some(format!("Exec format error: it is a program for {name}"))
        }
        Some(libc::ENOENT) => {
            for _ in 0..DEPTH {
                let (what, needed) = needed_by(&open(&path)?)?;
                if fs::metadata(&needed).is_err() {
                    return Some(format!("its {what} {} was not found", needed.display()));
                }
                path = needed;
            }
            None
        }
        _ => None,
    }
}

fn open(path: &Path) -> Option<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    file.metadata().is_ok_and(|file| file.is_file()).then_some(file)
}

/// The file that runs this one: what a script begins with, or the loader of dynamic libraries.
fn needed_by(file: &File) -> Option<(&'static str, PathBuf)> {
    let mut head = [0; HEAD];
    let count = file.read_at(&mut head, 0).ok()?;
    if let Some(line) = head[..count].strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next()?.trim_ascii_start();
        // A carriage return is part of the name, for the kernel too.
        let name = line.split(|byte| matches!(byte, b' ' | b'\t' | 0)).next()?;
        return Some(("interpreter", OsStr::from_bytes(name).into()));
    }
    Elf::of(file)?.loader().map(|loader| ("loader", loader))
}

/// A file of that format (elf(5)).
struct Elf<'a> {
    file: &'a File,
    is_64: bool,
    is_big: bool,
}

impl<'a> Elf<'a> {
    fn of(file: &'a File) -> Option<Self> {
        let mut head = [0; 6];
        file.read_exact_at(&mut head, 0).ok()?;
        let is_elf = head.starts_with(b"\x7fELF");
        is_elf.then_some(Self { file, is_64: head[4] == 2, is_big: head[5] == 2 })
    }

    /// The number in so many bytes; zero past the end of the file.
    fn number(&self, at: u64, bytes: usize) -> u64 {
        let mut number = [0; 8];
        if self.file.read_exact_at(&mut number[..bytes], at).is_err() {
            return 0;
        }
        let add = |sum, &byte| sum << 8 | u64::from(byte);
        let number = &number[..bytes];
        if self.is_big { number.iter().fold(0, add) } else { number.iter().rev().fold(0, add) }
    }

    /// Of the two classes of such files, each has a number at another place and in another size.
    fn either(&self, (at_64, bytes_64): (u64, usize), (at_32, bytes_32): (u64, usize)) -> u64 {
        if self.is_64 { self.number(at_64, bytes_64) } else { self.number(at_32, bytes_32) }
    }

    /// What the segment PT_INTERP has.
    fn loader(&self) -> Option<PathBuf> {
        const PT_INTERP: u64 = 3;
        const LONGEST: u64 = libc::PATH_MAX as u64;
        let headers = self.either((32, 8), (28, 4));
        let (size, count) = (self.either((54, 2), (42, 2)), self.either((56, 2), (44, 2)));
        let mut headers = (0..count).map(|index| headers.saturating_add(index * size));
        let header = headers.find(|&header| self.number(header, 4) == PT_INTERP)?;
        let field =
            |at_64: u64, at_32: u64| self.either((header.saturating_add(at_64), 8), (header.saturating_add(at_32), 4));
        let (start, length) = (field(8, 4), field(32, 16));
        let mut name = vec![0; usize::try_from(length.min(LONGEST)).ok()?];
        self.file.read_exact_at(&mut name, start).ok()?;
        name.truncate(name.iter().position(|byte| *byte == 0)?);
        Some(std::ffi::OsString::from_vec(name).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn a_script_needs_what_stands_in_its_first_line() {
        for (text, name) in [
            ("#!/bin/sh\n", "/bin/sh"),
            ("#! /usr/bin/env -S a b\nc", "/usr/bin/env"),
            ("#!/bin/sh\r\n", "/bin/sh\r"),
            ("#!", ""),
        ] {
            assert_eq!(needed_by(&file(text.as_bytes())), Some(("interpreter", name.into())), "{text}");
        }
        assert_eq!(needed_by(&file(b"echo\n")), None);
    }

    #[test]
    fn a_program_needs_its_loader_in_either_class_and_byte_order() {
        for (class, data) in [(1_u8, 1_u8), (1, 2), (2, 1), (2, 2)] {
            let mut bytes = vec![0_u8; 256];
            bytes[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, data]);
            let mut put = |at: usize, size: usize, number: u64| {
                let number = if data == 2 {
                    number.to_be_bytes()[8 - size..].to_vec()
                } else {
                    number.to_le_bytes()[..size].to_vec()
                };
                bytes[at..at + size].copy_from_slice(&number);
            };
            let (word, at) = if class == 2 { (8, [32, 54, 56, 8, 32]) } else { (4, [28, 42, 44, 4, 16]) };
            put(at[0], word, 100);
            put(at[1], 2, 56);
            put(at[2], 2, 2);
            put(100, 4, 1);
            put(156, 4, 3);
            put(156 + at[3], word, 220);
            put(156 + at[4], word, 8);
            bytes[220..228].copy_from_slice(b"/lib/ld\0");
            assert_eq!(needed_by(&file(&bytes)), Some(("loader", "/lib/ld".into())), "{class} {data}");
            // A part of one is no reason to fail.
            for length in 0..bytes.len() {
                needed_by(&file(&bytes[..length]));
            }
        }
    }
}
