//! A job for the tests: does or tells what `sh` cannot.

use std::{
    env, fs,
    io::{Read as _, Write as _, stdin, stdout},
    mem,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process, ptr, thread,
    time::{Duration, Instant},
};

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    match arguments.first().map(String::as_str) {
        Some("catch") => catch(),
        Some("signals") => signals(),
        Some("groups") => groups(),
        Some("orphans") => orphans(number(1)),
        Some("leave") => leave(number(1) != 0),
        Some("die") => die(number(1) as i32),
        Some("size") => size(),
        Some("peak") => peak(&arguments[1], &arguments[2..]),
        Some("terminal") => terminal(&arguments[1..]),
        #[cfg(target_arch = "x86_64")]
        Some("jump") => process::exit(wrapper_tests::clock::run_with_jumping_clock(&arguments[1..])),
        _ => {
            eprintln!(
                "probe: what to do is one of catch, signals, groups, orphans, leave, die, size, peak, terminal, jump"
            );
            process::exit(2);
        }
    }
}

fn say(text: impl std::fmt::Display) {
    println!("{text}");
    stdout().flush().expect("a reader");
}

/// Says the number of every signal that arrives, and the value that came with it; ends by SIGTERM, once stdin has ended.
fn catch() {
    // SAFETY: the pointers are to valid values for the duration of each call.
    unsafe {
        let mut all: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, ptr::null_mut());
        say("ready");
        loop {
            let mut info: libc::siginfo_t = mem::zeroed();
            let signal = libc::sigwaitinfo(&all, &mut info);
            let value = if info.si_code == libc::SI_QUEUE { info.si_value().sival_ptr as usize } else { 0 };
            say(format_args!("got {signal} {value}"));
            if signal == libc::SIGALRM {
                return;
            }
        }
    }
}

/// The mask and the ignored signals, in hexadecimal, as the kernel has them.
fn signals() {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    for line in status.lines().filter(|line| line.starts_with("SigBlk") || line.starts_with("SigIgn")) {
        say(line);
    }
}

/// Whether this is the leader of its group, and in the foreground of the terminal on stdin.
fn groups() {
    // SAFETY: no pointers.
    let (leads, foreground) = unsafe { (libc::getpgrp() == libc::getpid(), libc::tcgetpgrp(0) == libc::getpgrp()) };
    say(format_args!("leads {leads}, foreground {foreground}"));
}

/// Makes orphans that end at once, as many as asked for, and waits until whoever inherits them has reaped them.
fn orphans(count: u32) {
    let memory = || {
        let status = fs::read_to_string("/proc/1/status").expect("/proc");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("proc(5)");
        line.trim().trim_end_matches(" kB").to_owned()
    };
    let before = memory();
    for _ in 0..count {
        // SAFETY: this process has one thread; the children call fork and _exit and nothing else.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                if libc::fork() == 0 {
                    libc::_exit(3);
                }
                libc::_exit(0);
            }
            if child < 0 {
                thread::sleep(Duration::from_millis(1));
                continue;
            }
            libc::waitpid(child, ptr::null_mut(), 0);
        }
    }
    let bound = Instant::now() + Duration::from_secs(20);
    loop {
        let left = zombies();
        if left == 0 || Instant::now() > bound {
            say(format_args!("zombies {left}, init {before} kB then {} kB", memory()));
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn zombies() -> usize {
    let stats = fs::read_dir("/proc").expect("/proc").filter_map(|entry| {
        let entry = entry.ok()?;
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        fs::read_to_string(entry.path().join("stat")).ok()
    });
    stats.filter(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z"))).count()
}

/// Leaves a process behind in a session of its own, which may ignore SIGTERM, and says its id.
fn leave(stubborn: bool) {
    // SAFETY: this process has one thread.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::setsid();
            if stubborn {
                libc::signal(libc::SIGTERM, libc::SIG_IGN);
            }
            libc::close(0);
            libc::close(1);
            libc::close(2);
            libc::sleep(600);
            libc::_exit(0);
        }
        // The child has set itself up when its session is its own.
        while libc::getsid(child) != child {
            thread::yield_now();
        }
        thread::sleep(Duration::from_millis(20));
        say(child);
    }
}

/// Dies of a signal, without leaving a core file.
fn die(signal: i32) {
    // SAFETY: the pointers are to valid values for the duration of each call.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 });
        let mut none: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &none, ptr::null_mut());
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    // The signal's default is something else than death.
    process::exit(0);
}

/// Says the terminal's size now, and again for each line on stdin.
fn size() {
    let mut byte = [0];
    loop {
        // SAFETY: the pointer is to a valid winsize for the duration of the call.
        let size = unsafe {
            let mut size: libc::winsize = mem::zeroed();
            libc::ioctl(0, libc::TIOCGWINSZ, &mut size);
            size
        };
        say(format_args!("{} rows {} columns", size.ws_row, size.ws_col));
        loop {
            match stdin().read(&mut byte) {
                Ok(1) if byte[0] == b'\n' => break,
                Ok(1) => {}
                _ => return,
            }
        }
    }
}

/// Becomes a command whose stdin is a new terminal, which controls its session; stdout and stderr stay as they are.
fn terminal(command: &[String]) {
    // SAFETY: the calls get no pointers but the name's, which stays valid until it is used.
    unsafe {
        libc::setsid();
        // The other end stays open in the command, or the terminal would be gone.
        let person = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY);
        libc::grantpt(person);
        libc::unlockpt(person);
        libc::dup2(libc::open(libc::ptsname(person), libc::O_RDWR), 0);
        assert_eq!(libc::ioctl(0, libc::TIOCSCTTY, 0), 0, "{}", std::io::Error::last_os_error());
    }
    let error = process::Command::new(&command[0]).args(&command[1..]).exec();
    panic!("{}: {error}", command[0]);
}

/// Runs a command, writes to a file how many KiB one of its processes had at most, and ends as the command did.
///
/// Only a child of a small process tells: what its parent had counts as its own until it is executed (getrusage(2)).
fn peak(file: &str, command: &[String]) {
    let child = process::Command::new(&command[0]).args(&command[1..]).spawn().expect(&command[0]);
    // SAFETY: the pointers are to valid values for the duration of the call, and nobody else waits for the child.
    let (status, usage) = unsafe {
        let (mut status, mut usage) = (0, mem::zeroed::<libc::rusage>());
        libc::wait4(child.id() as libc::pid_t, &mut status, 0, &mut usage);
        (process::ExitStatus::from_raw(status), usage)
    };
    fs::write(file, usage.ru_maxrss.to_string()).expect(file);
    process::exit(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()));
}
