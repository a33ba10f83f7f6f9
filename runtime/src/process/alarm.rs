//! Timers for a process that runs a guest: signals, without a thread that would take longer to start than most hooks take
//! to run.

use std::{io, mem, ptr, time::Duration};

/// Calls this whenever the process has had a CPU for so long, and after a while at every such tick, busy or not. It is called
/// in a signal handler (SIGALRM) for as long as the process lives: so it must do no more than a handler may
/// (signal-safety(7)). A process that sleeps until then is not woken.
pub fn at_every<F: Fn() + Send + Sync + 'static>(tick: Duration, after: Duration, work: F) -> io::Result<()> {
    // Never freed: the timers may go off until the end.
    let work: &'static F = Box::leak(Box::new(work));
    // A timer's first time of zero would be none at all.
    let (tick, after) = (timespec(tick), timespec(after.max(Duration::from_nanos(1))));
    // SAFETY: the structures are plain data, and the pointers to them are valid for the duration of each call. The handler
    // gets the pointer to `work` with each signal of these timers, and makes nothing of any other signal.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler::<F> as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        if libc::sigaction(libc::SIGALRM, &action, ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        for (clock, first) in [(libc::CLOCK_PROCESS_CPUTIME_ID, tick), (libc::CLOCK_MONOTONIC, after)] {
            let mut event: libc::sigevent = mem::zeroed();
            event.sigev_notify = libc::SIGEV_SIGNAL;
            event.sigev_signo = libc::SIGALRM;
            event.sigev_value.sival_ptr = (&raw const *work).cast_mut().cast();
            let mut timer: libc::timer_t = ptr::null_mut();
            let times = libc::itimerspec { it_interval: tick, it_value: first };
            if libc::timer_create(clock, &mut event, &mut timer) != 0
                || libc::timer_settime(timer, 0, &times, ptr::null_mut()) != 0
            {
                return Err(io::Error::last_os_error());
            }
        }
        let mut alarm: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&mut alarm);
        libc::sigaddset(&mut alarm, libc::SIGALRM);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &alarm, ptr::null_mut());
    }
    Ok(())
}

fn timespec(time: Duration) -> libc::timespec {
    libc::timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() }
}

extern "C" fn handler<F: Fn()>(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gives a valid siginfo. Only a timer's signal has SI_TIMER, and the value of each of this process's
    // timers points to the work.
    unsafe {
        if (*info).si_code == libc::SI_TIMER {
            (*(*info).si_value().sival_ptr.cast::<F>())();
        }
    }
}
