//! Timers: signals, without a thread that would take longer to start than most hooks take to run. They are interval timers
//! (setitimer(2)), of which a process has one of each kind for itself. Others take from what a user has over all processes
//! (RLIMIT_SIGPENDING).

use super::{mask::Mask, refused::named};
use std::{
    io, ptr,
    sync::{
        Once,
        atomic::{AtomicBool, AtomicPtr, Ordering},
    },
    time::{Duration, Instant},
};

type Work = Box<dyn Fn() + Send + Sync>;

/// What a timer's signal does.
static WORK: AtomicPtr<Work> = AtomicPtr::new(ptr::null_mut());

/// Whether a SIGALRM came that was no timer's, while the handler was there for one.
static OTHER: AtomicBool = AtomicBool::new(false);

/// How soon a signal comes again that came just before the call that it is to cut short.
const AGAIN: Duration = Duration::from_millis(1);

/// Calls this whenever the process has had a CPU for so long, and after a while at every such tick, busy or not. It is called
/// in a signal handler for as long as the process lives: so it must do no more than a handler may (signal-safety(7)). A process
/// that sleeps until then is not woken.
pub fn at_every(tick: Duration, after: Duration, work: impl Fn() + Send + Sync + 'static) -> io::Result<()> {
    // Never freed: the timers may go off until the end.
    WORK.store(Box::into_raw(Box::new(Box::new(work))), Ordering::Release);
    for (timer, signal, first) in [(libc::ITIMER_PROF, libc::SIGPROF, tick), (libc::ITIMER_REAL, libc::SIGALRM, after)]
    {
        handle(signal).map_err(named("rt_sigaction"))?;
        set(timer, first, tick).map_err(named("setitimer"))?;
        Mask::of(signal).unblock()?;
    }
    Ok(())
}

/// Makes a call that may be held up, and cuts it short after this time: then it ends as by any signal that has a handler (EINTR).
///
/// A timer that runs goes on afterwards. The caller's may be one: it outlives the execution of a program (alarm(2)).
pub(super) fn cut_short<T>(after: Duration, call: impl FnOnce() -> T) -> T {
    static HANDLER: Once = Once::new();
    // An error leaves the call to take as long as it takes; there is no reason for one.
    HANDLER.call_once(|| drop(handle(libc::SIGALRM)));
    let alarm = Mask::of(libc::SIGALRM);
    let began = Instant::now();
    let timer = set(libc::ITIMER_REAL, Duration::ZERO, Duration::ZERO);
    // With no timer that runs, one that is there is the job's. (A hook's process may not ask: its alarms are its own.)
    if alarm.wait(Some(Duration::ZERO)).is_ok() {
        OTHER.store(true, Ordering::Relaxed);
    }
    drop(set(libc::ITIMER_REAL, after, AGAIN));
    let mask = alarm.unblock();
    let result = call();
    drop(set(libc::ITIMER_REAL, Duration::ZERO, Duration::ZERO));
    if let Ok(mask) = mask {
        drop(mask.set());
    }
    if let Ok((left, interval)) = timer
        && !left.is_zero()
    {
        drop(set(libc::ITIMER_REAL, left.saturating_sub(began.elapsed()).max(Duration::from_micros(1)), interval));
    }
    result
}

/// Whether a SIGALRM came meanwhile that is the job's. It is told of once.
pub(super) fn came_meanwhile() -> bool {
    OTHER.load(Ordering::Relaxed) && OTHER.swap(false, Ordering::Relaxed)
}

/// Starts a timer, or ends it with a time of zero. Returns what was left of the one before, and its interval.
fn set(timer: libc::c_int, first: Duration, interval: Duration) -> io::Result<(Duration, Duration)> {
    let (new, mut old) = ([interval, first].map(timeval), [timeval(Duration::ZERO); 2]);
    // SAFETY: the pointers are to two values each, as in `itimerval`, for the duration of the call.
    let result = unsafe { libc::syscall(libc::SYS_setitimer, timer, new.as_ptr(), old.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let [interval, left] = old.map(|time| {
        Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0))
            + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
    });
    Ok((left, interval))
}

/// To a microsecond, and no less than one if it is not zero: that would be no timer at all.
fn timeval(time: Duration) -> libc::timeval {
    let time = if time.is_zero() { time } else { time.max(Duration::from_micros(1)) };
    libc::timeval {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_usec: i64::from(time.subsec_micros()),
    }
}

/// musl unblocks two signals of its own when the first handler is set, and they are the job's too: so the kernel is asked itself. What
/// ends a handler is what musl has set for SIGPIPE, which is ignored.
#[cfg(target_env = "musl")]
fn handle(signal: libc::c_int) -> io::Result<()> {
    /// As in the kernel's `sigaction` of x86-64.
    #[repr(C)]
    struct Action {
        handler: libc::sighandler_t,
        flags: libc::c_ulong,
        restorer: usize,
        mask: u64,
    }
    const SA_RESTORER: libc::c_ulong = 0x0400_0000;
    let mut action = Action { handler: 0, flags: 0, restorer: 0, mask: 0 };
    // SAFETY: the pointers are to valid structures for the duration of each call, and the mask has 8 bytes.
    let result = unsafe {
        let none = ptr::null_mut::<Action>();
        libc::syscall(libc::SYS_rt_sigaction, libc::SIGPIPE, none, &raw mut action, 8);
        action.handler = handler as *const () as libc::sighandler_t;
        action.flags = SA_RESTORER | (libc::SA_SIGINFO | libc::SA_ONSTACK) as libc::c_ulong;
        libc::syscall(libc::SYS_rt_sigaction, signal, &raw const action, none, 8)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_env = "musl"))]
fn handle(signal: libc::c_int) -> io::Result<()> {
    // SAFETY: the structure is plain data, and the pointer to it is valid for the duration of the call.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        // Without SA_RESTART: a call that is held up is to end.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaction(signal, &action, ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gives a valid siginfo. Its code is at most 0 for what a process sent (sigaction(2)).
    if unsafe { (*info).si_code } <= 0 {
        if signal == libc::SIGALRM {
            OTHER.store(true, Ordering::Relaxed);
        }
        return;
    }
    // SAFETY: it is null, or what `at_every` has put there, which is never freed.
    if let Some(work) = unsafe { WORK.load(Ordering::Acquire).as_ref() } {
        work();
    }
}
