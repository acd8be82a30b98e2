//! A sleeping driver is woken, from any thread and by any driver.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use larder::reactor::{Choice, Door, Driver, Events, Options, Reactor, Socket, Wait, bind, open};

use crate::over_both_drivers;
use crate::server::{Manner, News, Order, Server};

over_both_drivers!(
    another_thread_wakes_it,
    cores_of_either_kind_wake_each_other,
    waker_outlives_its_driver,
    turn_without_events_returns_when_told_to,
);

fn another_thread_wakes_it(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Echo) else { return };
    for _ in 0..1000 {
        server.waker.wake();
        server.await_news(&News::Woken);
    }
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let waker = server.waker.clone();
            std::thread::spawn(move || (0..1000).for_each(|_| waker.wake()))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("a waker"));
    server.await_news(&News::Woken);
}

fn cores_of_either_kind_wake_each_other(choice: Choice) {
    for other in [Choice::Uring, Choice::Poll] {
        let Some(one) = Server::start(choice, Options::default(), Manner::Echo) else { return };
        let Some(two) = Server::start(other, Options::default(), Manner::Echo) else { return };
        for _ in 0..200 {
            one.order(Order::Wake(two.waker.clone()));
            two.await_news(&News::Woken);
            two.order(Order::Wake(one.waker.clone()));
            one.await_news(&News::Woken);
        }
    }
}

fn waker_outlives_its_driver(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Echo) else { return };
    let Some(other) = Server::start(choice, Options::default(), Manner::Echo) else { return };
    let waker = server.waker.clone();
    drop(server);
    waker.wake();
    other.order_done(Order::Wake(waker.clone()));
    // The message to a ring that serves nobody was submitted, and the sender lives.
    let mut stream = other.connect();
    stream.write_all(b"alive").expect("the server reads");
    let mut echo = [0; 5];
    stream.read_exact(&mut echo).expect("the server answers");
    assert_eq!(&echo, b"alive");
}

struct Nobody;

impl Events for Nobody {
    fn accepted(&mut self, _: OwnedFd, _: Door) {}
    fn received(&mut self, _: Socket, _: &[u8]) {}
    fn sent(&mut self, _: Socket, _: Vec<u8>) {}
    fn ended(&mut self, _: Socket) {}
    fn gone(&mut self, _: Socket) {}
    fn woken(&mut self) {}
    fn refusal(&mut self, _: Door) -> &[u8] {
        &[]
    }
}

fn turn_without_events_returns_when_told_to(choice: Choice) {
    fn turns<D: Driver>(mut driver: D) {
        for wait in [Wait::Poll, Wait::For(Duration::ZERO), Wait::For(Duration::from_micros(300))] {
            (0..10).for_each(|_| driver.turn(wait, &mut Nobody).expect("a working driver"));
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        driver.listen(bind::tcp(address, 1).expect("a free port"), Door(0)).expect("a listening socket");
        driver.turn(Wait::For(Duration::from_millis(1)), &mut Nobody).expect("a working driver");
    }
    match open(choice, &Options::default()) {
        Ok((Reactor::Uring(driver), _)) => turns(driver),
        Ok((Reactor::Poll(driver), _)) => turns(driver),
        Err(error) => eprintln!("skipped: {error}"),
    }
}
