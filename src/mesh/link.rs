//! A mesh whose mail is carried by hand: for simulations, which decide when what was sent lies before its receiver.

use super::Mesh;
use rtrb::{Consumer, Producer, RingBuffer};

/// The way of mail from one core to another. Nothing moves on it by itself.
pub struct Link<M> {
    /// The sender.
    pub from: u16,
    /// The receiver.
    pub to: u16,
    sent: Consumer<M>,
    delivered: Producer<M>,
}

impl<M> Link<M> {
    /// Mails that were sent and not carried on.
    pub fn waiting(&self) -> usize {
        self.sent.slots()
    }

    /// The sender finds no room for more.
    pub fn is_full(&self) -> bool {
        self.waiting() == self.sent.buffer().capacity()
    }

    /// The next mail, which is then nowhere until it is put down.
    pub fn take(&mut self) -> Option<M> {
        self.sent.pop().ok()
    }

    /// There is room for one mail before the receiver.
    pub fn has_room(&self) -> bool {
        !self.delivered.is_full()
    }

    /// Lays a mail before the receiver, behind those that lie there.
    ///
    /// # Panics
    ///
    /// If there is no room.
    pub fn put(&mut self, mail: M) {
        assert!(self.delivered.push(mail).is_ok(), "the receiver's ring is full");
    }
}

impl<M> Mesh<M> {
    /// The same as [`Mesh::connect`], with a link in the middle of each ring.
    pub fn connect_by_links(cores: usize, mails_max: usize) -> (Vec<Mesh<M>>, Vec<Link<M>>) {
        let mut ends = Mesh::connect(cores, mails_max);
        let mut links = Vec::new();
        for from in 0..cores {
            for to in (0..cores).filter(|&to| to != from) {
                let (delivered, arriving) = RingBuffer::new(mails_max);
                let sent = ends[to].from[from].replace(arriving).expect("each pair is joined");
                links.push(Link { from: from as u16, to: to as u16, sent, delivered });
            }
        }
        (ends, links)
    }
}
