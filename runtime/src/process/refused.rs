//! System calls that a profile of the container's may refuse, and without which no hook can be run. Libraries say only
//! "Operation not permitted", or nothing at all.

use std::{io, ptr};

/// Says which call failed.
pub fn named(call: &str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{call}: {}", crate::report::os_words(&error)))
}

/// The first call that a hook's process cannot do without and is refused.
pub fn first() -> io::Result<()> {
    let mut byte = 0_u8;
    // SAFETY: the pointer is to one byte; the other call only asks.
    unsafe {
        check(libc::getrandom((&raw mut byte).cast(), 1, libc::GRND_NONBLOCK) as libc::c_int, "getrandom")?;
        check(libc::sigaltstack(ptr::null(), ptr::null_mut()), "sigaltstack")
    }
}

/// The first call that an event loop cannot do without and is refused.
pub fn of_an_event_loop() -> io::Result<()> {
    // SAFETY: no pointers. The descriptors are closed with the process, which has failed.
    unsafe {
        let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
        check(epoll, "epoll_create1")?;
        let event = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
        check(event, "eventfd2")?;
        let mut what = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
        check(libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, event, &mut what), "epoll_ctl")
    }
}

fn check(result: libc::c_int, call: &str) -> io::Result<()> {
    if result >= 0 { Ok(()) } else { Err(named(call)(io::Error::last_os_error())) }
}
