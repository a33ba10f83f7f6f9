//! System calls that a process may make, as a filter for the kernel (seccomp(2)).
//!
//! Which calls are allowed is looked up in a table of bits, so that the filter takes a dozen steps for any call: when it is
//! installed the kernel tries it with every number that there is, and a list of comparisons takes ten times as long (measured:
//! see docs/performance.md). bpf(4) has the instructions; the kernel checks every filter before it takes it.

use std::io;

/// What is allowed beside the calls in a list: those whose arguments decide.
pub struct Rules {
    /// Calls whose arguments do not matter.
    pub allowed: &'static [libc::c_long],
    /// Calls in which this bit of an argument must not be set: call, argument, bit.
    pub without: Vec<(libc::c_long, u32, u32)>,
    /// Calls in which an argument must be one of these: call, argument, values.
    pub only: Vec<(libc::c_long, u32, Vec<u32>)>,
}

/// What the kernel calls this CPU's system calls (linux/audit.h). None on s390x: there mmap(2) has its arguments in memory, and
/// socket(2) is one of many behind socketcall(2), so that a filter cannot see what they are asked.
const ARCH: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(0xc000_003e)
} else if cfg!(target_arch = "aarch64") {
    Some(0xc000_00b7)
} else if cfg!(target_arch = "riscv64") {
    Some(0xc000_00f3)
} else {
    None
};

/// Words in the table of bits: 512 calls. Higher numbers, such as those of x86-64's x32, are refused.
const WORDS: usize = 16;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUALS: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const HAS_BITS: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const GO_TO: u32 = libc::BPF_JMP | libc::BPF_JA;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const SHIFT: u32 = libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K;
const SHIFT_BY_X: u32 = libc::BPF_ALU | libc::BPF_RSH | libc::BPF_X;
const TO_X: u32 = libc::BPF_MISC | libc::BPF_TAX;

const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

/// An instruction; `then` and `otherwise` are how many to skip.
fn jump(code: u32, k: u32, then: usize, otherwise: usize) -> libc::sock_filter {
    let short = |skip| u8::try_from(skip).expect("a filter is short");
    libc::sock_filter { code: code as u16, jt: short(then), jf: short(otherwise), k }
}

fn step(code: u32, k: u32) -> libc::sock_filter {
    jump(code, k, 0, 0)
}

/// Where the kernel puts the lower half of an argument, in bytes (seccomp(2), `seccomp_data`; little-endian).
fn argument(index: u32) -> u32 {
    16 + 8 * index
}

impl Rules {
    /// Holds this thread, and what it starts, to them from now on. Needs `PR_SET_NO_NEW_PRIVS`.
    pub fn apply(&self) -> io::Result<()> {
        let mut program = self.program(ARCH.ok_or(io::ErrorKind::Unsupported)?);
        let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
        // SAFETY: the pointers are to a live filter; the kernel copies it.
        match unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn program(&self, arch: u32) -> Vec<libc::sock_filter> {
        let mut words = [0_u32; WORDS];
        for &call in self.allowed {
            words[call as usize / 32] |= 1 << (call % 32);
        }
        // The architecture, which says what the numbers mean; then the number.
        let mut program = vec![
            step(LOAD, 4),
            jump(EQUALS, arch, 1, 0),
            step(RETURN, libc::SECCOMP_RET_KILL_PROCESS),
            step(LOAD, 0),
            jump(AT_LEAST, WORDS as u32 * 32, 0, 1),
            step(RETURN, REFUSE),
        ];
        for &(call, index, bit) in &self.without {
            program.extend([
                jump(EQUALS, call as u32, 0, 4),
                step(LOAD, argument(index)),
                jump(HAS_BITS, bit, 0, 1),
                step(RETURN, REFUSE),
                step(RETURN, ALLOW),
            ]);
        }
        for (call, index, values) in &self.only {
            program.extend([jump(EQUALS, *call as u32, 0, values.len() + 3), step(LOAD, argument(*index))]);
            program.extend(values.iter().enumerate().map(|(at, &value)| jump(EQUALS, value, values.len() - at, 0)));
            program.extend([step(RETURN, REFUSE), step(RETURN, ALLOW)]);
        }
        // The bit to look at, and the word that it is in.
        program.extend([step(AND, 31), step(TO_X, 0), step(LOAD, 0), step(SHIFT, 5)]);
        let used: Vec<_> = words.iter().enumerate().filter(|(_, word)| **word != 0).collect();
        for (at, (index, word)) in used.iter().enumerate() {
            let rest = (used.len() - at - 1) * 3 + 1;
            program.extend([
                jump(EQUALS, *index as u32, 0, 2),
                step(libc::BPF_LD | libc::BPF_IMM, **word),
                step(GO_TO, rest as u32),
            ]);
        }
        program.push(step(RETURN, REFUSE));
        program.extend([step(SHIFT_BY_X, 0), jump(HAS_BITS, 1, 0, 1), step(RETURN, ALLOW), step(RETURN, REFUSE)]);
        program
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would return for a call with these arguments.
    fn run(program: &[libc::sock_filter], arch: u32, call: u32, arguments: &[u32]) -> u32 {
        let (mut a, mut x, mut at) = (0_u32, 0_u32, 0_usize);
        loop {
            let now = program[at];
            at += 1;
            match u32::from(now.code) {
                LOAD => {
                    a = match now.k {
                        0 => call,
                        4 => arch,
                        offset => arguments.get((offset as usize - 16) / 8).copied().unwrap_or(0),
                    }
                }
                AND => a &= now.k,
                SHIFT => a >>= now.k,
                SHIFT_BY_X => a >>= x,
                TO_X => x = a,
                GO_TO => at += now.k as usize,
                RETURN => return now.k,
                code if code == libc::BPF_LD | libc::BPF_IMM => a = now.k,
                code => {
                    let holds = match code {
                        EQUALS => a == now.k,
                        AT_LEAST => a >= now.k,
                        HAS_BITS => a & now.k != 0,
                        _ => panic!("instruction {code:#x}"),
                    };
                    at += usize::from(if holds { now.jt } else { now.jf });
                }
            }
        }
    }

    #[test]
    fn each_call_is_allowed_or_refused_as_the_rules_say() {
        static LISTED: [libc::c_long; 6] =
            [libc::SYS_read, libc::SYS_write, libc::SYS_close, libc::SYS_futex, libc::SYS_getrandom, 31];
        let rules = Rules {
            allowed: &LISTED,
            without: vec![(libc::SYS_mmap, 2, 4)],
            only: vec![(libc::SYS_socket, 0, vec![2, 10]), (libc::SYS_tgkill, 0, vec![77])],
        };
        let arch = ARCH.unwrap_or_default();
        let program = rules.program(arch);
        for call in 0..1_000 {
            let number = call as libc::c_long;
            let expected = match number {
                _ if LISTED.contains(&number) => ALLOW,
                libc::SYS_mmap => ALLOW,
                _ => REFUSE,
            };
            assert_eq!(run(&program, arch, call, &[]), expected, "{call}");
            assert_eq!(run(&program, arch ^ 1, call, &[]), libc::SECCOMP_RET_KILL_PROCESS, "{call}");
        }
        let call = |number: libc::c_long, arguments: &[u32]| run(&program, arch, number as u32, arguments) == ALLOW;
        assert!(call(libc::SYS_mmap, &[0, 0, 3]) && !call(libc::SYS_mmap, &[0, 0, 7]));
        assert!(call(libc::SYS_socket, &[2]) && call(libc::SYS_socket, &[10]));
        assert!(!call(libc::SYS_socket, &[1]) && !call(libc::SYS_socket, &[16]));
        assert!(call(libc::SYS_tgkill, &[77]) && !call(libc::SYS_tgkill, &[1]));
        assert_eq!(run(&program, arch, 0x4000_0000, &[]), REFUSE);
        assert!(program.len() < 100, "{}", program.len());
    }
}
