//! Defence around the sandbox: what a process gives up that compiles or runs a guest, so that one that broke out of its
//! sandbox would have little.
//!
//! All of it is best effort, as kernels differ: what cannot be had is told in the debug log and is no failure. The wrapper
//! itself and the job are not affected.

use super::seccomp::Rules;
use landlock::{ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, Scope};
use std::io;

/// prctl(2), from Linux 6.3.
const PR_SET_MDWE: libc::c_int = 65;
const PR_MDWE_REFUSE_EXEC_GAIN: libc::c_ulong = 1;

/// From here on this process can make no memory executable.
pub fn refuse_new_code() {
    // SAFETY: no pointers.
    match unsafe { libc::prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0_u64, 0_u64, 0_u64) } {
        0 => tracing::debug!("a plugin's process can make no memory executable: PR_SET_MDWE"),
        _ => tracing::debug!("PR_SET_MDWE cannot be had: {}", io::Error::last_os_error()),
    }
}

/// A core dump would have the guest's memory and the wrapper's environment in it, and another process of the same user
/// could read them (prctl(2), PR_SET_DUMPABLE).
pub fn refuse_core_dumps() {
    // SAFETY: no pointers.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) };
}

/// Takes from this thread, and those that it starts, what running a guest does not need: new privileges, files, and all
/// system calls but some.
pub fn confine_thread(native: bool) {
    // SAFETY: no pointers.
    unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    match refuse_files() {
        Ok(state) => tracing::debug!("a plugin's process has no files: Landlock {state:?}"),
        Err(error) => tracing::debug!("Landlock cannot be had: {error}"),
    }
    match refuse_system_calls(native) {
        Ok(()) => tracing::debug!("a plugin's process has {} system calls: seccomp", ALLOWED.len()),
        Err(error) => tracing::debug!("seccomp cannot be had: {error}"),
    }
}

/// No file can be opened or changed, no port listened at, no signal sent and no abstract socket reached out of here.
fn refuse_files() -> Result<landlock::RulesetStatus, landlock::RulesetError> {
    let rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::AbstractUnixSocket)?;
    Ok(rules.create()?.restrict_self()?.ruleset)
}

/// What a guest's process calls: memory, clocks, randomness, waiting, and sockets that it has. It starts no thread.
const ALLOWED: &[libc::c_long] = &[
    // Memory, which a guest has from an anonymous file where it can. mmap and mprotect are below.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_memfd_create,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // The process itself, and its end.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_prctl,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    // Clocks and randomness.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_setitimer,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
    // Descriptors that are open, and connections.
    libc::SYS_close,
    libc::SYS_connect,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_ioctl,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_write,
    libc::SYS_writev,
    // Calls that aarch64 does not have.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_gettimeofday,
    // Before machine code is run that has just been written, on CPUs that may have fetched what was there before.
    #[cfg(target_arch = "aarch64")]
    libc::SYS_membarrier,
    #[cfg(target_arch = "riscv64")]
    RISCV_FLUSH_ICACHE,
];

/// Of riscv64 alone (asm/unistd.h).
#[cfg(target_arch = "riscv64")]
const RISCV_FLUSH_ICACHE: libc::c_long = 259;

/// All but the [`ALLOWED`] fail with EPERM.
fn refuse_system_calls(native: bool) -> io::Result<()> {
    // Memory that is not executable, unless guests are machine code.
    let executable = if native { 0 } else { libc::PROT_EXEC as u32 };
    // A signal to itself, by which an abort ends it: glibc uses the first call, musl the second.
    // SAFETY: no pointers.
    let own = unsafe { libc::getpid() } as u32;
    let rules = Rules {
        allowed: ALLOWED,
        without: vec![(libc::SYS_mmap, 2, executable), (libc::SYS_mprotect, 2, executable)],
        // Sockets of the internet protocols.
        only: vec![
            (libc::SYS_socket, 0, vec![libc::AF_INET as u32, libc::AF_INET6 as u32]),
            (libc::SYS_tgkill, 0, vec![own]),
            (libc::SYS_tkill, 0, vec![own]),
        ],
    };
    rules.apply()
}
