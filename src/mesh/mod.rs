//! Mail between cores: one bounded ring per ordered pair, and the sleep of those who wait for mail.
//!
//! The mesh carries what it is given and looks at none of it. A turn's mail is collected in an
//! outbox per receiver and put into the rings at the turn's end; a receiver that sleeps is woken
//! once. A full ring keeps the rest in the outbox: the mesh never blocks, it says that it is
//! congested, and the core then reads no more from clients.

pub mod link;
pub mod parcel;
mod sleep;

use rtrb::{Consumer, Producer, RingBuffer};
use sleep::Sleepers;
use std::collections::VecDeque;
use std::sync::Arc;

/// One core's end of the mesh.
pub struct Mesh<M> {
    index: u16,
    /// Rings to the other cores; the own place is empty.
    to: Vec<Option<Producer<M>>>,
    from: Vec<Option<Consumer<M>>>,
    outbox: Vec<VecDeque<M>>,
    /// Mail that waits in outboxes.
    unsent: usize,
    /// Some of it found its ring full at the last flush.
    congested: bool,
    /// Who sleeps, or is about to.
    asleep: Arc<Sleepers>,
    /// Where `receive` looks next, so that no sender is served before all others for ever.
    next: usize,
}

impl<M> Mesh<M> {
    /// The ends for so many cores, each pair joined by rings of `mails_max`.
    pub fn connect(cores: usize, mails_max: usize) -> Vec<Mesh<M>> {
        let asleep = Arc::new(Sleepers::new(cores));
        let mut ends: Vec<Mesh<M>> = (0..cores)
            .map(|index| Mesh {
                index: index as u16,
                to: (0..cores).map(|_| None).collect(),
                from: (0..cores).map(|_| None).collect(),
                outbox: (0..cores).map(|_| VecDeque::new()).collect(),
                unsent: 0,
                congested: false,
                asleep: asleep.clone(),
                next: 0,
            })
            .collect();
        for sender in 0..cores {
            for receiver in (0..cores).filter(|&r| r != sender) {
                let (producer, consumer) = RingBuffer::new(mails_max);
                ends[sender].to[receiver] = Some(producer);
                ends[receiver].from[sender] = Some(consumer);
            }
        }
        ends
    }

    /// Number of cores.
    pub fn cores(&self) -> u16 {
        self.to.len() as u16
    }

    /// Puts a mail behind those that wait for the same core. Sent by the next `flush`.
    pub fn post(&mut self, to: u16, mail: M) {
        assert!(to != self.index, "no ring leads to oneself");
        self.outbox[to as usize].push_back(mail);
        self.unsent += 1;
    }

    /// The last mail to a core that has not left yet, to add to it.
    pub fn open_mail(&mut self, to: u16) -> Option<&mut M> {
        self.outbox[to as usize].back_mut()
    }

    /// Moves mail into the rings, in order, and names each sleeping receiver once. Returns the mails sent.
    /// `leaves` sees each.
    pub fn flush(&mut self, mut wake: impl FnMut(u16), mut leaves: impl FnMut(&M)) -> usize {
        if self.unsent == 0 {
            return 0;
        }
        let before = self.unsent;
        self.congested = false;
        for to in 0..self.outbox.len() {
            let Some(ring) = &mut self.to[to] else { continue };
            let mut moved = false;
            while let Some(mail) = self.outbox[to].pop_front() {
                if ring.is_full() {
                    self.outbox[to].push_front(mail);
                    self.congested = true;
                    break;
                }
                leaves(&mail);
                assert!(ring.push(mail).is_ok(), "only this end fills the ring");
                self.unsent -= 1;
                moved = true;
            }
            if moved && self.asleep.must_wake(to as u16) {
                wake(to as u16);
            }
        }
        before - self.unsent
    }

    /// The mail that the last flush has left here.
    pub fn waiting(&self) -> impl Iterator<Item = &M> {
        let outboxes = if self.unsent > 0 { &self.outbox[..] } else { &[] };
        outboxes.iter().flatten()
    }

    /// Some receiver's ring was full at the last flush: mail waits here.
    #[inline]
    pub fn is_congested(&self) -> bool {
        self.congested
    }

    /// The next mail and its sender, taking turns over the senders.
    pub fn receive(&mut self) -> Option<(u16, M)> {
        let cores = self.from.len();
        for step in 0..cores {
            let sender = (self.next + step) % cores;
            let Some(ring) = &mut self.from[sender] else { continue };
            if let Ok(mail) = ring.pop() {
                self.next = (sender + 1) % cores;
                return Some((sender as u16, mail));
            }
        }
        None
    }

    /// True where mail has arrived.
    pub fn has_mail(&self) -> bool {
        self.from.iter().flatten().any(|ring| !ring.is_empty())
    }

    /// Says that this core is going to sleep, so that senders wake it. False if mail came meanwhile:
    /// then it must not sleep. `awake` ends it.
    pub fn may_sleep(&self) -> bool {
        self.from.len() == 1 || self.asleep.may_sleep(self.index, || self.has_mail())
    }

    /// Says that this core is up and will look into its mail by itself.
    pub fn awake(&self) {
        if self.from.len() > 1 {
            self.asleep.is_up(self.index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeping_receiver_is_woken_once() {
        let mut ends = Mesh::<u32>::connect(2, 8);
        assert!(ends[1].may_sleep());
        ends[0].post(1, 7);
        ends[0].post(1, 8);
        let mut woken = Vec::new();
        assert_eq!(ends[0].flush(|core| woken.push(core), |_| {}), 2);
        ends[0].post(1, 9);
        ends[0].flush(|core| woken.push(core), |_| {});
        assert_eq!(woken, [1]);
        assert!(!ends[1].may_sleep(), "mail has arrived");
        assert_eq!(
            [ends[1].receive(), ends[1].receive(), ends[1].receive()],
            [Some((0, 7)), Some((0, 8)), Some((0, 9))]
        );
        assert_eq!(ends[1].receive(), None);
    }

    #[test]
    fn a_full_ring_holds_mail_back_in_order() {
        let mut ends = Mesh::<u32>::connect(3, 2);
        for mail in 0..5 {
            ends[0].post(2, mail);
        }
        assert_eq!(ends[0].flush(|_| {}, |_| {}), 2);
        assert!(ends[0].is_congested());
        let mut got = Vec::new();
        while got.len() < 5 {
            while let Some((from, mail)) = ends[2].receive() {
                assert_eq!(from, 0);
                got.push(mail);
            }
            ends[0].flush(|_| {}, |_| {});
        }
        assert_eq!(got, [0, 1, 2, 3, 4]);
        assert!(!ends[0].is_congested());
    }
}
