//! A network namespace a test: every port is free there, and nothing leaves the machine.

use std::{io, mem, process};

/// Moves this thread, and what it starts from here on, into a network that has a loopback and nothing else.
///
/// Needs root in some user namespace, which `make test` provides.
pub fn own_network() {
    // SAFETY: no pointers.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        panic!("no network namespace to be had ({}); run the tests with `make test`", io::Error::last_os_error());
    }
    // SAFETY: ifreq is plain data, the name ends in a zero, and the pointer is valid for the two calls (netdevice(7)).
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        let mut request: libc::ifreq = mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
        let result = libc::ioctl(socket, libc::SIOCSIFFLAGS, &request);
        assert_eq!(result, 0, "the loopback of {} stays down: {}", process::id(), io::Error::last_os_error());
        libc::close(socket);
    }
}
