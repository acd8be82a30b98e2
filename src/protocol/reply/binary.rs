//! Packets of memcached's binary protocol.

use super::Reply;
use crate::protocol::binary::{HEADER_BYTES, Header, REPLY_MAGIC, Status};

impl Reply<'_> {
    /// The reply to a request that was done: its item's unique (0 for none), and the three parts of the body. They are
    /// bounded as requests are, so that their lengths fit their fields.
    #[inline]
    pub fn packet(&mut self, to: &Header, cas: u64, extras: &[u8], key: &[u8], value: &[u8]) {
        self.packet_header(to, Status::Success, cas, [extras.len(), key.len(), value.len()]);
        self.out.extend_from_slice(extras);
        self.out.extend_from_slice(key);
        self.out.extend_from_slice(value);
    }

    /// The reply to a request that was not done, with the status's own text.
    pub fn packet_error(&mut self, to: &Header, status: Status) {
        let text = status.text().as_bytes();
        self.packet_header(to, status, 0, [0, 0, text.len()]);
        self.out.extend_from_slice(text);
    }

    /// A miss that repeats the key in the place of a text.
    pub fn packet_miss(&mut self, to: &Header, key: &[u8]) {
        self.packet_header(to, Status::NotFound, 0, [0, key.len(), 0]);
        self.out.extend_from_slice(key);
    }

    /// The 24 bytes before extras, key and value of these lengths.
    #[inline]
    fn packet_header(&mut self, to: &Header, status: Status, cas: u64, [extras, key, value]: [usize; 3]) {
        let body = extras + key + value;
        debug_assert!(extras <= 0xff && key <= 0xffff && body as u64 <= u64::from(u32::MAX));
        let mut header = [0; HEADER_BYTES];
        header[0] = REPLY_MAGIC;
        header[1] = to.opcode;
        header[2..4].copy_from_slice(&(key as u16).to_be_bytes());
        header[4] = extras as u8;
        header[6..8].copy_from_slice(&(status as u16).to_be_bytes());
        header[8..12].copy_from_slice(&(body as u32).to_be_bytes());
        header[12..16].copy_from_slice(&to.opaque);
        header[16..24].copy_from_slice(&cas.to_be_bytes());
        self.out.reserve(HEADER_BYTES + body);
        self.out.extend_from_slice(&header);
    }
}
