//! A timer for a process that runs a guest: a signal at every tick, without a thread that would take longer to start than
//! most hooks take to run.

use std::{io, mem, ptr, time::Duration};

/// Calls this at every tick from now on, for as long as the process lives, in a signal handler (SIGALRM): so it must do no
/// more than a handler may (signal-safety(7)).
pub fn at_every<F: Fn() + Send + Sync + 'static>(tick: Duration, work: F) -> io::Result<()> {
    // Never freed: the timer may go off until the end.
    let work: &'static F = Box::leak(Box::new(work));
    let nanoseconds = tick.subsec_nanos().into();
    let interval = libc::timespec { tv_sec: tick.as_secs() as libc::time_t, tv_nsec: nanoseconds };
    // SAFETY: the structures are plain data, and the pointers to them are valid for the duration of each call. The handler
    // gets the pointer to `work` with each signal of this timer, and makes nothing of any other signal.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler::<F> as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        let mut event: libc::sigevent = mem::zeroed();
        event.sigev_notify = libc::SIGEV_SIGNAL;
        event.sigev_signo = libc::SIGALRM;
        event.sigev_value.sival_ptr = (&raw const *work).cast_mut().cast();
        let mut timer: libc::timer_t = ptr::null_mut();
        let times = libc::itimerspec { it_interval: interval, it_value: interval };
        if libc::sigaction(libc::SIGALRM, &action, ptr::null_mut()) != 0
            || libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) != 0
            || libc::timer_settime(timer, 0, &times, ptr::null_mut()) != 0
        {
            return Err(io::Error::last_os_error());
        }
        let mut alarm: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&mut alarm);
        libc::sigaddset(&mut alarm, libc::SIGALRM);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &alarm, ptr::null_mut());
    }
    Ok(())
}

extern "C" fn handler<F: Fn()>(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gives a valid siginfo. Only a timer's signal has SI_TIMER, and this process has one timer, whose
    // value points to the work.
    unsafe {
        if (*info).si_code == libc::SI_TIMER {
            (*(*info).si_value().sival_ptr.cast::<F>())();
        }
    }
}
