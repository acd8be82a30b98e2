//! A host that does not permit io_uring is served by epoll, and told why.

use larder::reactor::{Choice, Driver, Options, Reactor, open};

/// Lets `io_uring_setup` fail on this thread as a container's seccomp profile does.
#[allow(unsafe_code)]
fn forbid_io_uring() {
    const SETUP: u32 = libc::SYS_io_uring_setup as u32;
    const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let statement = |code: u32, k| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut filter = [
        // The number of the system call is the first word of what a filter sees.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        libc::sock_filter {
            code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
            jt: 0,
            jf: 1,
            k: SETUP,
        },
        statement(libc::BPF_RET | libc::BPF_K, REFUSE),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the filter is alive for the call, which copies it; it binds the calling thread only.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}

#[test]
fn forbidden_io_uring_is_stepped_down_from_with_the_reason() {
    let thread = std::thread::spawn(|| {
        forbid_io_uring();
        let (reactor, why) = open(Choice::Auto, &Options::default()).expect("a driver");
        let Reactor::Poll(driver) = reactor else { panic!("io_uring is forbidden") };
        assert_eq!(driver.name(), "epoll");
        assert!(why.contains("io_uring") && why.contains("Operation not permitted"), "{why}");
        let Err(error) = open(Choice::Uring, &Options::default()) else { panic!("io_uring is forbidden") };
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    });
    thread.join().expect("a driver either way");
}

#[test]
fn epoll_is_taken_when_asked_for() {
    let (reactor, _) = open(Choice::Poll, &Options::default()).expect("a driver");
    assert!(matches!(reactor, Reactor::Poll(_)));
}
