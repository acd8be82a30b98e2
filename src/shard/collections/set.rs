//! Changes of sets: members that come and go. The caller has looked at the item's kind.

use super::{
    Builder, COMPACT_ENTRIES_MAX, Compact, Held, Ints, Key, Kind, Limits, Meta, NewEntry, Packed, Shard,
    Splice, Unmade, change_grown, handle_of,
};
use crate::data::entries::{Place, set_count};
use crate::data::ints::{self, Add};
use crate::data::packed::Element;
use crate::data::table::block_bytes;
use crate::text::{Digits, parse_i64};
use slabs::Refused;

impl Shard {
    /// Adds a member. True: it is new.
    pub fn set_add(&mut self, key: &Key<'_>, member: &[u8]) -> Result<bool, Refused> {
        self.set_extend(key, member, false).map_err(Unmade::refused)
    }

    /// The same for whoever has not looked at the key: it counts as use if `touch`.
    pub fn set_extend(&mut self, key: &Key<'_>, member: &[u8], touch: bool) -> Result<bool, Unmade> {
        self.shed_for_growth();
        let now = self.now.unix_ms;
        let Shard { store, heap, limits, has_room, .. } = self;
        let Some(mut item) = store.occupied(key, now, touch) else { return Ok(self.set_found(key, member)?) };
        let found = item.item();
        if found.kind() != Kind::Set {
            return Err(Unmade::WrongKind);
        }
        if found.is_heap() {
            let Some(absent) = heap.get(handle_of(&found)).table().absent(member) else { return Ok(false) };
            if !*has_room {
                item.make_room(member_room(member), now)?;
            }
            change_grown(&mut item, heap, now, |structure| structure.table_mut().insert_absent(&absent));
            return Ok(true);
        }
        let small = match small_add(found.value(), member, limits) {
            Small::Present => return Ok(false),
            Small::Insert(splice, number) => {
                let value = item.splice(splice.at, splice.remove, splice.insert, now)?;
                ints::store(value[0], number, &mut value[splice.at..]);
                return Ok(true);
            }
            Small::Push(entry, count) => {
                let end = found.value().len();
                let value = item.splice(end, 0, entry.len(), now)?;
                entry.write(&mut value[end..]);
                set_count(value, count + 1);
                return Ok(true);
            }
            other => other,
        };
        if let Small::Anew(bytes) = small {
            self.rewrite(key, &bytes)?;
            return Ok(true);
        }
        let handle = self.grow(key, Kind::Set)?;
        self.make_room(key, member_room(member) as usize)?;
        self.edit(key, handle, |table| table.insert(member, b"", Some(0), 0));
        Ok(true)
    }

    /// A new set of one member.
    fn set_found(&mut self, key: &Key<'_>, member: &[u8]) -> Result<bool, Refused> {
        if let Some(bytes) = self.set_of_one(member) {
            let meta = Meta { kind: Kind::Set, ..Meta::default() };
            self.store.put(key, &bytes, &meta, self.now.unix_ms)?;
            return Ok(true);
        }
        let handle = self.found_grown(key, Kind::Set)?;
        if let Err(refused) = self.make_room(key, member_room(member) as usize) {
            self.drop_empty(key);
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

    /// Removes a member; a set without members goes. True: it was there.
    pub fn set_remove(&mut self, key: &Key<'_>, member: &[u8]) -> Result<bool, Refused> {
        self.set_take(key, member, false).map_err(Unmade::refused)
    }

    /// The same for whoever has not looked at the key: it counts as use if `touch`.
    pub fn set_take(&mut self, key: &Key<'_>, member: &[u8], touch: bool) -> Result<bool, Unmade> {
        let now = self.now.unix_ms;
        let Shard { store, heap, .. } = self;
        let Some(mut item) = store.occupied(key, now, touch) else { return Ok(false) };
        let found = item.item();
        if found.kind() != Kind::Set {
            return Err(Unmade::WrongKind);
        }
        if found.is_heap() {
            // A look first: what changes nothing leaves the version as it is.
            if !heap.get(handle_of(&found)).table().contains(member) {
                return Ok(false);
            }
            let empty = change_grown(&mut item, heap, now, |structure| {
                let table = structure.table_mut();
                table.remove(member, 0);
                table.is_empty()
            });
            if empty {
                item.remove(now);
                self.collect_dropped();
            }
            return Ok(true);
        }
        let bytes = found.value();
        let of_ints = ints::is_form(bytes[0]);
        let (splice, left) = if of_ints {
            let set = Ints::new(bytes);
            (parse_i64(member).and_then(|number| set.remove(number)), set.count() - 1)
        } else {
            let compact = Compact::new(bytes, false);
            let place = compact.run().find(&Packed::new(member));
            let at = |start: usize| compact.head_bytes() + start;
            let taken_out =
                |place: Place| Splice { at: at(place.start), remove: place.end - place.start, insert: 0 };
            (place.map(taken_out), compact.count() - 1)
        };
        let Some(Splice { at, remove, .. }) = splice else { return Ok(false) };
        if left == 0 {
            item.remove(now);
            return Ok(true);
        }
        let bytes = item.splice(at, remove, 0, now)?;
        if !of_ints {
            set_count(bytes, left);
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

/// What adding a member makes of a small set.
enum Small<'m> {
    /// Nothing: it has the member.
    Present,
    /// An integer more among others.
    Insert(Splice, i64),
    /// An entry more behind so many.
    Push(NewEntry<'m>, usize),
    /// Other bytes.
    Anew(Vec<u8>),
    /// A grown one.
    Grown,
}

/// What becomes of the bytes of a small set to which a member is added.
fn small_add<'m>(bytes: &[u8], member: &'m [u8], limits: &Limits) -> Small<'m> {
    if ints::is_form(bytes[0]) {
        let set = Ints::new(bytes);
        let Some(number) = parse_i64(member) else { return leave_ints(&set, member, limits) };
        return match set.add(number) {
            Add::Present => Small::Present,
            _ if set.count() >= limits.set_ints => Small::Grown,
            Add::At(splice) => Small::Insert(splice, number),
            Add::Wider => Small::Anew(set.widened(number)),
        };
    }
    let compact = Compact::new(bytes, false);
    let packed = Packed::new(member);
    if compact.run().find(&packed).is_some() {
        Small::Present
    } else if takes_entry(compact.count(), member, limits) {
        Small::Push(new_member(packed), compact.count())
    } else {
        Small::Grown
    }
}

/// Adds what is no integer to a set of integers: it becomes a run of entries if it is small enough for one.
fn leave_ints<'m>(set: &Ints<'_>, member: &[u8], limits: &Limits) -> Small<'m> {
    if !takes_entry(set.count(), member, limits) {
        return Small::Grown;
    }
    let mut builder = Builder::new(false);
    set.iter().for_each(|number| builder.push(&new_member(Packed::int(number))));
    builder.push(&new_member(Packed::new(member)));
    Small::Anew(builder.finish())
}

/// A small set of so many members may have this one more.
fn takes_entry(count: usize, member: &[u8], limits: &Limits) -> bool {
    count < limits.set_entries.min(COMPACT_ENTRIES_MAX) && member.len() <= limits.set_value_bytes
}

/// Room to be asked for before a member is added to a grown set.
fn member_room(member: &[u8]) -> u64 {
    64 + block_bytes(member.len()) as u64
}

fn new_member(field: Packed<'_>) -> NewEntry<'_> {
    NewEntry { field, value: None, deadline_ms: 0 }
}
