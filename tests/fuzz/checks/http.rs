//! The HTTP parser, in pieces and whole.

use super::pieces::{cut, ends};
use larder::protocol::http::{Parsed, parse};

pub fn check(data: &[u8]) {
    let (most, bytes) = cut(data);
    let whole = parse(bytes);
    if let Parsed::Done { used, request } = &whole {
        assert!(*used > 0 && *used <= bytes.len());
        let lies_within = |part: &[u8]| bytes.as_ptr_range().contains(&part.as_ptr()) || part.is_empty();
        assert!(lies_within(request.path.as_bytes()) && lies_within(request.body));
    }
    for end in ends(bytes.len(), most) {
        match parse(&bytes[..end]) {
            Parsed::More => {}
            // What is decided stays so, whatever follows.
            decided => {
                assert_eq!(decided, whole, "after {end} bytes of {}", bytes.len());
                return;
            }
        }
    }
    assert_eq!(whole, Parsed::More);
}
