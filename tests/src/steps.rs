//! A program run one instruction at a time, to count those that ask the CPU what it can do.

use std::{fs, io, mem, os::unix::process::CommandExt as _, path::Path, process::Command, ptr};

/// CPUID.
const CPUID: [u8; 2] = [0x0f, 0xa2];

/// Whether a program is linked with glibc: its start files have a note that says for which kernels it is.
pub fn has_glibc(program: &Path) -> bool {
    let bytes = fs::read(program).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    bytes.windows(b".note.ABI-tag".len()).any(|window| window == b".note.ABI-tag")
}

/// How many CPUIDs a program executes from its first instruction to its last; what it starts is not counted.
///
/// # Panics
///
/// If it does not exit with 0, or cannot be traced.
#[expect(clippy::zombie_processes, reason = "it is waited for by its id")]
pub fn cpuids(command: &[&str]) -> usize {
    let mut traced = Command::new(command[0]);
    traced.args(&command[1..]);
    // SAFETY: the one call allocates nothing.
    unsafe {
        traced.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        })
    };
    let child = traced.spawn().unwrap_or_else(|error| panic!("{command:?} cannot be traced: {error}"));
    let pid = child.id() as libc::pid_t;
    let mut count = 0;
    loop {
        let mut status = 0;
        // SAFETY: the pointer is to a valid integer.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid, "{}", io::Error::last_os_error());
        if !libc::WIFSTOPPED(status) {
            assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{command:?}: {status:#x}");
            return count;
        }
        let signal = match libc::WSTOPSIG(status) {
            libc::SIGTRAP => 0,
            other => other,
        };
        // SAFETY: the process is stopped, and the pointers are to a value that is written to or to no more than is asked for.
        unsafe {
            let mut registers: libc::user_regs_struct = mem::zeroed();
            libc::ptrace(libc::PTRACE_GETREGS, pid, 0, &raw mut registers);
            let next = libc::ptrace(libc::PTRACE_PEEKTEXT, pid, registers.rip, 0);
            count += usize::from(next.to_le_bytes()[..2] == CPUID);
            libc::ptrace(libc::PTRACE_SINGLESTEP, pid, ptr::null_mut::<u8>(), signal);
        }
    }
}
