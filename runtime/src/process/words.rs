//! What the kernel gave this program: the command line, the environment, and its own path. All is read where the kernel has put it.
//! A command can have megabytes of arguments, and none of them is copied.

use std::{
    ffi::{CStr, OsStr, c_char, c_int},
    os::unix::ffi::OsStrExt as _,
    ptr,
};

/// The words of the command line.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    first: *mut *const c_char,
    count: usize,
}

impl Words {
    /// What the C runtime gives to `main`. With musl Rust's own start-up code, which does not run, would have to be told of it.
    ///
    /// # Safety
    ///
    /// The pointer is to so many C strings and a null, all of which stay as long as the process, and nobody else uses the array.
    pub unsafe fn new(count: c_int, first: *mut *const c_char) -> Self {
        Self { first, count: usize::try_from(count).unwrap_or(0) }
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.count
    }

    /// One of them, if there are so many.
    pub fn get(self, at: usize) -> Option<&'static OsStr> {
        // SAFETY: it is one of the strings that `new` was told of.
        (at < self.count).then(|| unsafe { word(*self.first.add(at)) })
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = &'static OsStr> {
        (0..self.count).map_while(move |at| self.get(at))
    }

    /// The program that begins there and its arguments, if there is one. It cannot be the first word, which is this program.
    pub fn command(self, at: usize) -> Option<Command> {
        // SAFETY: the word is part of the array.
        (1..self.count).contains(&at).then(|| Command(unsafe { self.first.add(at) }))
    }

    /// The same for tests, which have no command line of their own.
    #[cfg(test)]
    pub fn of(words: &[&str]) -> Self {
        let string = |word: &&str| std::ffi::CString::new(*word).unwrap().into_raw().cast_const();
        let array: Vec<_> = words.iter().map(string).chain([ptr::null()]).collect();
        Self { first: array.leak().as_mut_ptr(), count: words.len() }
    }
}

/// A program and its arguments: the words from one on, up to the null.
#[derive(Clone, Copy, Debug)]
pub struct Command(*mut *const c_char);

impl Command {
    /// A path, or a name to be looked for in `PATH`.
    pub fn program(self) -> &'static OsStr {
        // SAFETY: `Words` has made sure that there is such a word.
        unsafe { word(*self.0) }
    }

    /// Executes this file as the program. Returns if that fails, and leaves why in `errno`. Async-signal-safe.
    pub(super) fn execute(self, file: &CStr) {
        // SAFETY: the words are C strings and end with a null. The environment is this process's own.
        unsafe { libc::execv(file.as_ptr(), self.0) };
    }

    /// Executes an interpreter of this file, which becomes its first argument. The same otherwise.
    ///
    /// # Safety
    ///
    /// Nobody else looks at the words meanwhile.
    pub(super) unsafe fn execute_by(self, interpreter: &CStr, file: &CStr) {
        // SAFETY: the program is not the first of the words, so that the one before it is there too. Both are put back.
        unsafe {
            let before = self.0.sub(1);
            let words = [ptr::replace(before, interpreter.as_ptr()), ptr::replace(self.0, file.as_ptr())];
            libc::execv(interpreter.as_ptr(), before);
            before.write(words[0]);
            self.0.write(words[1]);
        }
    }
}

/// # Safety
///
/// It is a C string that stays as long as the process.
unsafe fn word(string: *const c_char) -> &'static OsStr {
    // SAFETY: the caller's.
    OsStr::from_bytes(unsafe { CStr::from_ptr(string) }.to_bytes())
}

/// The environment that this process was given, an entry at a time, such as `HOME=/root`. Most are of no interest, and not
/// copied.
pub fn environment() -> impl Iterator<Item = &'static [u8]> {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: this program changes no variable, so that the array and its strings stay as they are; a null ends it.
    (0..).map_while(|at| unsafe {
        let entry = *environ.add(at);
        (!entry.is_null()).then(|| CStr::from_ptr(entry).to_bytes())
    })
}

/// The path by which the kernel was told to execute this program (getauxval(3), AT_EXECFN).
pub fn called_as() -> Option<&'static CStr> {
    // SAFETY: the kernel puts the string on the stack below `main`, where it stays as long as the process.
    unsafe {
        let name = libc::getauxval(libc::AT_EXECFN) as *const c_char;
        (!name.is_null()).then(|| CStr::from_ptr(name))
    }
}
