//! A clock that somebody sets, an hour to and fro, whenever it is read.
//!
//! The program under test is static and asks the kernel without a call, through the vDSO. So it is traced: the vDSO is
//! hidden from it as it is executed, what it then asks by a call is answered wrongly, and a wait until some time of day
//! ends the trial.

use std::{io, mem, os::unix::process::CommandExt as _, process::Command};

/// How far the clock is set, in seconds.
const JUMP: i64 = 3600;

/// Runs a command and all that it starts under such a clock, and returns its exit code, 128 and the signal where one
/// ended it.
///
/// # Panics
///
/// Where one of its processes waits by the time of day, or where it cannot be traced.
#[expect(clippy::zombie_processes, reason = "it is waited for by its id, as all that descends from it")]
pub fn run_with_jumping_clock(command: &[String]) -> i32 {
    let mut traced = Command::new(&command[0]);
    traced.args(&command[1..]);
    // SAFETY: the one call allocates nothing.
    unsafe { traced.pre_exec(|| succeeds(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0)).map(drop)) };
    let child = traced.spawn().unwrap_or_else(|error| panic!("{command:?} cannot be traced: {error}"));
    let root = child.id() as libc::pid_t;
    let mut readings = 0;
    loop {
        let mut status = 0;
        // SAFETY: the pointer is to a valid integer.
        let pid = unsafe { libc::waitpid(-1, &mut status, libc::__WALL) };
        assert!(pid > 0, "{}", io::Error::last_os_error());
        if pid == root && libc::WIFEXITED(status) {
            assert!(readings > 0, "the clock was not read, so nothing was tried");
            return libc::WEXITSTATUS(status);
        }
        if pid == root && libc::WIFSIGNALED(status) {
            return 128 + libc::WTERMSIG(status);
        }
        if !libc::WIFSTOPPED(status) {
            continue;
        }
        let signal = match (libc::WSTOPSIG(status), status >> 16) {
            (libc::SIGTRAP, 0) if pid == root && readings == 0 => {
                // The stop at its execution.
                let options = libc::PTRACE_O_TRACESYSGOOD
                    | libc::PTRACE_O_EXITKILL
                    | libc::PTRACE_O_TRACEEXEC
                    | libc::PTRACE_O_TRACEFORK
                    | libc::PTRACE_O_TRACEVFORK
                    | libc::PTRACE_O_TRACECLONE;
                // SAFETY: no pointers.
                unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, pid, 0, options) };
                hide_vdso(pid);
                0
            }
            (libc::SIGTRAP, libc::PTRACE_EVENT_EXEC) => {
                hide_vdso(pid);
                0
            }
            (stop, 0) if stop == libc::SIGTRAP | 0x80 => {
                readings += i64::from(falsify(pid, readings));
                0
            }
            // A new process begins with a SIGSTOP; other events are nothing to it.
            (libc::SIGTRAP | libc::SIGSTOP, _) => 0,
            (signal, _) => signal,
        };
        // SAFETY: no pointers. It may be gone by now.
        unsafe { libc::ptrace(libc::PTRACE_SYSCALL, pid, 0, signal) };
    }
}

/// A process that has just been executed: what the kernel tells it of the vDSO is made void (getauxval(3)).
fn hide_vdso(pid: libc::pid_t) {
    let mut at = registers(pid).rsp;
    // The count of arguments; then these, and the variables, each up to a zero; then pairs.
    for _ in 0..2 {
        loop {
            at += 8;
            if peek(pid, at) == 0 {
                break;
            }
        }
    }
    at += 8;
    while peek(pid, at) != libc::AT_NULL {
        if peek(pid, at) == libc::AT_SYSINFO_EHDR {
            poke(pid, at, libc::AT_IGNORE);
        }
        at += 16;
    }
}

/// A process before or after a system call. Returns whether it has read the time of day, which it then got wrong.
fn falsify(pid: libc::pid_t, readings: i64) -> bool {
    let registers = registers(pid);
    let is_entry = registers.rax as i64 == -i64::from(libc::ENOSYS);
    let call = registers.orig_rax as libc::c_long;
    let is_wall_clock = |clock: u64| [libc::CLOCK_REALTIME, libc::CLOCK_REALTIME_COARSE].contains(&(clock as i32));
    let until = match call {
        libc::SYS_clock_nanosleep => is_wall_clock(registers.rdi) && registers.rsi != 0,
        libc::SYS_timer_create | libc::SYS_timerfd_create => is_wall_clock(registers.rdi),
        libc::SYS_futex => registers.rsi as i32 & libc::FUTEX_CLOCK_REALTIME != 0,
        _ => false,
    };
    assert!(!until, "process {pid} waits by the time of day, in system call {call}");
    let result = match call {
        libc::SYS_clock_gettime if is_wall_clock(registers.rdi) => registers.rsi,
        libc::SYS_gettimeofday => registers.rdi,
        _ => 0,
    };
    if is_entry || result == 0 {
        return false;
    }
    poke(pid, result, (peek(pid, result) as i64 + if readings % 2 == 0 { JUMP } else { -JUMP }) as u64);
    true
}

fn registers(pid: libc::pid_t) -> libc::user_regs_struct {
    // SAFETY: the structure is plain data, and the pointer to it is valid. Where the process is gone it stays empty.
    unsafe {
        let mut registers: libc::user_regs_struct = mem::zeroed();
        libc::ptrace(libc::PTRACE_GETREGS, pid, 0, &raw mut registers);
        registers
    }
}

fn peek(pid: libc::pid_t, at: u64) -> u64 {
    // SAFETY: an address of the other process: where there is nothing it fails.
    unsafe { libc::ptrace(libc::PTRACE_PEEKDATA, pid, at, 0) as u64 }
}

fn poke(pid: libc::pid_t, at: u64, value: u64) {
    // SAFETY: as above.
    unsafe { libc::ptrace(libc::PTRACE_POKEDATA, pid, at, value) };
}

fn succeeds(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
