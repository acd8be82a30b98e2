//! Changes of sets: members that come and go. The caller has looked at the item's kind.

use super::{
    Builder, COMPACT_ENTRIES_MAX, Compact, Held, Ints, Key, Kind, Meta, NewEntry, Packed, Shard, Splice,
};
use crate::data::entries::set_count;
use crate::data::ints::{self, Add};
use crate::data::packed::Element;
use crate::data::table::block_bytes;
use crate::text::{Digits, parse_i64};
use slabs::Refused;

impl Shard {
    /// Adds a member. True: it is new.
    pub fn set_add(&mut self, key: &Key<'_>, member: &[u8]) -> Result<bool, Refused> {
        let handle = match self.held(key) {
            Held::Nothing => match self.set_of_one(member) {
                Some(bytes) => {
                    let meta = Meta { kind: Kind::Set, ..Meta::default() };
                    self.store.put(key, &bytes, &meta, self.now.unix_ms)?;
                    return Ok(true);
                }
                None => self.found_grown(key, Kind::Set)?,
            },
            Held::Small => match self.small_add(key, member)? {
                Some(new) => return Ok(new),
                None => self.grow(key, Kind::Set)?,
            },
            Held::Grown(handle) => handle,
        };
        if self.heap.get(handle).table().contains(member) {
            return Ok(false);
        }
        if let Err(refused) = self.make_room(key, 64 + block_bytes(member.len())) {
            if self.heap.get(handle).table().is_empty() {
                self.drop_empty(key);
            }
            return Err(refused);
        }
        Ok(self.edit(key, handle, |table| table.insert(member, b"", Some(0), 0)))
    }

    /// The small form of a set of one member, if the limits allow it.
    fn set_of_one(&self, member: &[u8]) -> Option<Vec<u8>> {
        let limits = &self.limits;
        if let Some(number) = parse_i64(member).filter(|_| limits.set_ints > 0) {
            return Some(ints::of_one(number));
        }
        if limits.set_entries == 0 || member.len() > limits.set_value_bytes {
            return None;
        }
        let mut builder = Builder::new(false);
        builder.push(&new_member(Packed::new(member)));
        Some(builder.finish())
    }

    /// Adds to a small set; `None`: it has to grow first.
    fn small_add(&mut self, key: &Key<'_>, member: &[u8]) -> Result<Option<bool>, Refused> {
        let bytes = self.small(key);
        let end = bytes.len();
        if ints::is_form(bytes[0]) {
            let set = Ints::new(bytes);
            let Some(number) = parse_i64(member) else { return self.leave_ints(key, member) };
            let add = set.add(number);
            if add != Add::Present && set.count() >= self.limits.set_ints {
                return Ok(None);
            }
            match add {
                Add::Present => return Ok(Some(false)),
                Add::At(splice) => {
                    let bytes = self.splice(key, end, splice)?;
                    ints::store(bytes[0], number, &mut bytes[splice.at..]);
                }
                Add::Wider => {
                    let wider = set.widened(number);
                    self.rewrite(key, &wider)?;
                }
            }
            return Ok(Some(true));
        }
        let compact = Compact::new(bytes, false);
        let count = compact.count();
        let packed = Packed::new(member);
        if compact.run().find(&packed).is_some() {
            return Ok(Some(false));
        }
        let limits = &self.limits;
        if count >= limits.set_entries.min(COMPACT_ENTRIES_MAX) || member.len() > limits.set_value_bytes {
            return Ok(None);
        }
        let entry = new_member(packed);
        let bytes = self.splice(key, end, Splice { at: end, remove: 0, insert: entry.len() })?;
        entry.write(&mut bytes[end..]);
        set_count(bytes, count + 1);
        Ok(Some(true))
    }

    /// Adds what is no integer to a set of integers: it becomes a run of entries if it is small enough for one.
    fn leave_ints(&mut self, key: &Key<'_>, member: &[u8]) -> Result<Option<bool>, Refused> {
        let set = Ints::new(self.small(key));
        let limits = &self.limits;
        if set.count() >= limits.set_entries.min(COMPACT_ENTRIES_MAX) || member.len() > limits.set_value_bytes
        {
            return Ok(None);
        }
        let mut builder = Builder::new(false);
        set.iter().for_each(|number| builder.push(&new_member(Packed::int(number))));
        builder.push(&new_member(Packed::new(member)));
        self.rewrite(key, &builder.finish())?;
        Ok(Some(true))
    }

    /// Removes a member; a set without members goes. True: it was there.
    pub fn set_remove(&mut self, key: &Key<'_>, member: &[u8]) -> Result<bool, Refused> {
        let empty = match self.held(key) {
            Held::Nothing => return Ok(false),
            Held::Grown(handle) => {
                // A look first: what changes nothing leaves the version as it is.
                if !self.heap.get(handle).table().contains(member) {
                    return Ok(false);
                }
                self.edit(key, handle, |table| {
                    table.remove(member, 0);
                    table.is_empty()
                })
            }
            Held::Small => {
                let bytes = self.small(key);
                let end = bytes.len();
                let (splice, left) = if ints::is_form(bytes[0]) {
                    let set = Ints::new(bytes);
                    let splice = parse_i64(member).and_then(|number| set.remove(number));
                    (splice, set.count() - 1)
                } else {
                    let compact = Compact::new(bytes, false);
                    let (head, left) = (compact.head_bytes(), compact.count() - 1);
                    let place = compact.run().find(&Packed::new(member));
                    let taken_out = |place: crate::data::entries::Place| Splice {
                        at: head + place.start,
                        remove: place.end - place.start,
                        insert: 0,
                    };
                    (place.map(taken_out), left)
                };
                let Some(splice) = splice else { return Ok(false) };
                if left > 0 {
                    let bytes = self.splice(key, end, splice)?;
                    if !ints::is_form(bytes[0]) {
                        set_count(bytes, left);
                    }
                }
                left == 0
            }
        };
        if empty {
            self.drop_empty(key);
        }
        Ok(true)
    }

    /// Removes one member by chance and gives it; `None`: there is no such key.
    pub fn set_pop(&mut self, key: &Key<'_>) -> Result<Option<Vec<u8>>, Refused> {
        let now = self.now.unix_ms;
        let mut digits = Digits::default();
        let member = match self.held(key) {
            Held::Nothing => return Ok(None),
            Held::Grown(handle) => {
                let Shard { heap, random, .. } = self;
                let table = heap.get(handle).table();
                let spot = table.pick(&mut || random.draw(), now).expect("a set has members");
                table.at(spot).field.text(&mut digits).to_vec()
            }
            Held::Small => {
                let random = self.random.draw();
                let bytes = self.small(key);
                let element = if ints::is_form(bytes[0]) {
                    let set = Ints::new(bytes);
                    Element::Int(set.get(crate::data::table::below(random, set.count())))
                } else {
                    let compact = Compact::new(bytes, false);
                    let index = crate::data::table::below(random, compact.count());
                    let place = compact.run().places().nth(index).expect("as many as are counted");
                    compact.run().entry(place).field
                };
                element.text(&mut digits).to_vec()
            }
        };
        self.set_remove(key, &member)?;
        Ok(Some(member))
    }
}

fn new_member(field: Packed<'_>) -> NewEntry<'_> {
    NewEntry { field, value: None, deadline_ms: 0 }
}
