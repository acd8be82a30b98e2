//! Changes of hashes: fields that come, change and go, and when they die.
//!
//! The caller has looked at the item's kind. Dead fields are as good as absent: a new value over one is a new field.

use super::{
    Builder, COMPACT_ENTRIES_MAX, Compact, DYING, Held, Key, Kind, Limits, Meta, NewEntry, Packed, Shard,
    Splice, Unmade, change_grown, handle_of,
};
use crate::data::entries::{DEADLINE_MS_MAX, Place, is_live, set_count, set_due_ms};
use crate::data::table::block_bytes;
use crate::shard::events;
use slabs::Refused;

/// Buckets of a table that are looked at for dead fields at once: some tens of microseconds.
const REAP_BUCKETS: usize = 128;

/// A table with dead fields is gone through at most once in as many milliseconds as it has thousands of fields: so
/// that takes no more than a tenth of the time however its deadlines are spread.
const REAP_FIELDS_PER_MS: u64 = 1000;

impl Shard {
    /// Sets a field. `deadline_ms` is when it dies (0: never); `None` leaves that as it is. True: it is new.
    pub fn hash_put(
        &mut self,
        key: &Key<'_>,
        field: &[u8],
        value: &[u8],
        deadline_ms: Option<u64>,
    ) -> Result<bool, Refused> {
        self.hash_set(key, field, value, deadline_ms, false).map_err(Unmade::refused)
    }

    /// The same for whoever has not looked at the key: it counts as use if `touch`.
    pub fn hash_set(
        &mut self,
        key: &Key<'_>,
        field: &[u8],
        value: &[u8],
        deadline_ms: Option<u64>,
        touch: bool,
    ) -> Result<bool, Unmade> {
        self.shed_for_growth();
        let now = self.now.unix_ms;
        let Shard { store, heap, limits, has_room, .. } = self;
        let Some(mut item) = store.occupied(key, now, touch) else {
            return Ok(self.hash_found(key, field, value, deadline_ms.unwrap_or(0))?);
        };
        let found = item.item();
        if found.kind() != Kind::Hash {
            return Err(Unmade::WrongKind);
        }
        let dies = deadline_ms.is_some_and(|deadline_ms| deadline_ms != 0);
        if found.is_heap() {
            if !*has_room {
                item.make_room(entry_room(field, value) as u64, now)?;
            }
            let (new, due_ms) = change_grown(&mut item, heap, now, |structure| {
                let table = structure.table_mut();
                (table.insert(field, value, deadline_ms, now), table.due_ms())
            });
            if dies {
                self.note_due(key, due_ms);
            }
            return Ok(new);
        }
        let compact = Compact::new(found.value(), true);
        if is_short(field, value, limits) && dies && compact.form() != DYING {
            // It is found again in its other form.
            self.make_dying(key)?;
            return self.hash_set(key, field, value, deadline_ms, false);
        }
        let (run, head, count) = (compact.run(), compact.head_bytes(), compact.count());
        let packed = Packed::new(field);
        let place = run.find(&packed);
        let fits = place.is_some() || count < limits.hash_entries.min(COMPACT_ENTRIES_MAX);
        if is_short(field, value, limits) && fits {
            let old_ms = place.map_or(0, |place| run.deadline_ms(place));
            let lives = place.is_some() && is_live(old_ms, now);
            let kept_ms = if lives { old_ms } else { 0 };
            let deadline_ms = deadline_ms.unwrap_or(kept_ms);
            let entry = NewEntry { field: packed, value: Some(Packed::new(value)), deadline_ms };
            let (at, remove) = match place {
                Some(place) => (head + place.start, place.end - place.start),
                None => (found.value().len(), 0),
            };
            let bytes = item.splice(at, remove, entry.len(), now)?;
            entry.write(&mut bytes[at..]);
            set_count(bytes, count + usize::from(place.is_none()));
            self.lower_due(key, deadline_ms);
            return Ok(!lives);
        }
        let handle = self.grow(key, Kind::Hash)?;
        Ok(self.table_put(key, handle, field, value, deadline_ms)?)
    }

    /// A new hash of one field.
    fn hash_found(
        &mut self,
        key: &Key<'_>,
        field: &[u8],
        value: &[u8],
        deadline_ms: u64,
    ) -> Result<bool, Refused> {
        if !is_short(field, value, &self.limits) || self.limits.hash_entries == 0 {
            let handle = self.found_grown(key, Kind::Hash)?;
            let put = self.table_put(key, handle, field, value, Some(deadline_ms));
            if put.is_err() {
                self.drop_empty(key);
            }
            return put;
        }
        let mut builder = Builder::new(deadline_ms != 0);
        let value = Some(Packed::new(value));
        builder.push(&NewEntry { field: Packed::new(field), value, deadline_ms });
        let meta = Meta { kind: Kind::Hash, ..Meta::default() };
        self.store.put(key, &builder.finish(), &meta, self.now.unix_ms)?;
        self.note_due(key, deadline_ms);
        Ok(true)
    }

    /// Sets a field of a grown hash.
    fn table_put(
        &mut self,
        key: &Key<'_>,
        handle: u64,
        field: &[u8],
        value: &[u8],
        deadline_ms: Option<u64>,
    ) -> Result<bool, Refused> {
        let now = self.now.unix_ms;
        self.make_room(key, entry_room(field, value))?;
        let (new, due_ms) = self.edit(key, handle, |table| {
            let new = table.insert(field, value, deadline_ms, now);
            (new, table.due_ms())
        });
        if deadline_ms.is_some_and(|deadline_ms| deadline_ms != 0) {
            self.note_due(key, due_ms);
        }
        Ok(new)
    }

    /// Removes a field; a hash without fields goes. True: it was there.
    pub fn hash_remove(&mut self, key: &Key<'_>, field: &[u8]) -> Result<bool, Refused> {
        self.hash_take(key, field, false).map_err(Unmade::refused)
    }

    /// The same for whoever has not looked at the key: it counts as use if `touch`.
    pub fn hash_take(&mut self, key: &Key<'_>, field: &[u8], touch: bool) -> Result<bool, Unmade> {
        let now = self.now.unix_ms;
        let Shard { store, heap, .. } = self;
        let Some(mut item) = store.occupied(key, now, touch) else { return Ok(false) };
        let found = item.item();
        if found.kind() != Kind::Hash {
            return Err(Unmade::WrongKind);
        }
        if found.is_heap() {
            // A look first: what changes nothing leaves the version as it is.
            if heap.get(handle_of(&found)).table().get(field).is_none() {
                return Ok(false);
            }
            let (removed, empty) = change_grown(&mut item, heap, now, |structure| {
                let table = structure.table_mut();
                (table.remove(field, now), table.is_empty())
            });
            if empty {
                item.remove(now);
                self.collect_dropped();
            }
            return Ok(removed);
        }
        let compact = Compact::new(found.value(), true);
        let (run, head, count) = (compact.run(), compact.head_bytes(), compact.count());
        let Some(place) = run.find(&Packed::new(field)) else { return Ok(false) };
        let lives = is_live(run.deadline_ms(place), now);
        if count == 1 {
            item.remove(now);
        } else {
            let bytes = item.splice(head + place.start, place.end - place.start, 0, now)?;
            set_count(bytes, count - 1);
        }
        Ok(lives)
    }

    /// Sets when a field dies; 0: never. A time that has passed is for the caller to see. False: it is not there.
    pub fn hash_set_deadline(
        &mut self,
        key: &Key<'_>,
        field: &[u8],
        deadline_ms: u64,
    ) -> Result<bool, Refused> {
        let now = self.now.unix_ms;
        match self.held(key) {
            Held::Nothing => Ok(false),
            Held::Grown(handle) => {
                let (set, due_ms) = self
                    .edit(key, handle, |table| (table.set_deadline(field, deadline_ms, now), table.due_ms()));
                self.note_due(key, due_ms);
                Ok(set)
            }
            Held::Small => {
                let compact = Compact::new(self.small(key), true);
                let Some(place) = live_place(&compact, field, now) else { return Ok(false) };
                if deadline_ms == compact.run().deadline_ms(place) {
                    return Ok(true);
                }
                if deadline_ms != 0 {
                    self.make_dying(key)?;
                }
                let bytes = self.small(key);
                let compact = Compact::new(bytes, true);
                let head = compact.head_bytes();
                let Some(place) = live_place(&compact, field, now) else { return Ok(false) };
                let prefix = NewEntry::deadline(deadline_ms);
                let splice = Splice {
                    at: head + place.start,
                    remove: place.field - place.start,
                    insert: prefix.len(),
                };
                let bytes = self.splice(key, splice)?;
                bytes[splice.at..splice.at + splice.insert].copy_from_slice(prefix.as_bytes());
                self.lower_due(key, deadline_ms);
                Ok(true)
            }
        }
    }

    /// Gives a small hash the form whose entries may have deadlines.
    fn make_dying(&mut self, key: &Key<'_>) -> Result<(), Refused> {
        let bytes = self.small(key);
        let compact = Compact::new(bytes, true);
        if compact.form() == DYING {
            return Ok(());
        }
        let head = compact.head_bytes();
        let longer = Builder::new(true).finish().len() - head;
        let bytes = self.splice(key, Splice { at: head, remove: 0, insert: longer })?;
        bytes[0] = DYING;
        set_due_ms(bytes, DEADLINE_MS_MAX);
        Ok(())
    }

    /// A field of a small hash dies then: the head, and who looks after it, know no later time.
    fn lower_due(&mut self, key: &Key<'_>, deadline_ms: u64) {
        if deadline_ms == 0 {
            return;
        }
        let due_ms = Compact::new(self.small(key), true).due_ms();
        if deadline_ms < due_ms
            && let Some(bytes) = self.store.value_mut(key, self.now.unix_ms)
        {
            set_due_ms(bytes, deadline_ms);
        }
        self.note_due(key, deadline_ms);
    }

    /// Notes when the next field of a hash may die; 0: none does.
    pub(super) fn note_due(&mut self, key: &Key<'_>, due_ms: u64) {
        if due_ms == 0 {
            return;
        }
        self.due.note(key.db, key.hash, key.bytes, due_ms);
        for _ in 0..2 {
            let Some((db, hash, bytes)) = self.due.next_to_audit() else { break };
            let known = Key { db, bytes, hash };
            let item = self.store.peek(&known, self.now.unix_ms);
            let dies = item.is_some_and(|item| {
                item.kind() == Kind::Hash
                    && (item.is_heap() || Compact::new(item.value(), true).due_ms() != 0)
            });
            if !dies {
                self.due.forget(db, hash);
            }
        }
        self.count_heap();
    }

    /// Reclaims fields that are dead, a slice of them. True: more may be due already.
    pub fn reap_fields(&mut self) -> bool {
        let now = self.now.unix_ms;
        let mut left = REAP_BUCKETS;
        while left > 0
            && let Some((db, hash, bytes)) = self.due.take(now)
        {
            let key = Key { db, bytes: &bytes, hash };
            let kind = self.store.peek(&key, now).map(|item| item.kind());
            match self.held(&key) {
                _ if kind != Some(Kind::Hash) => left -= 1,
                Held::Nothing => left -= 1,
                Held::Small => {
                    self.reap_small(&key);
                    left -= 1;
                }
                Held::Grown(handle) => {
                    let buckets = left;
                    let (reaped, done, due_ms, len) = self.edit(&key, handle, |table| {
                        let (reaped, done) = table.reap(now, buckets);
                        (reaped, done, table.due_ms(), table.len())
                    });
                    left = 0;
                    if reaped > 0 {
                        self.tell(events::HASH, "hexpired", &key);
                    }
                    if len == 0 {
                        self.drop_empty(&key);
                        self.tell_if_gone(&key);
                    } else if done && due_ms != 0 {
                        let pause_ms = len as u64 / REAP_FIELDS_PER_MS;
                        self.note_due(&key, due_ms.max(now + pause_ms));
                    } else if !done {
                        self.note_due(&key, now);
                    }
                }
            }
        }
        self.count_heap();
        self.due.any(now)
    }

    /// Writes a small hash anew without its dead fields.
    fn reap_small(&mut self, key: &Key<'_>) {
        let now = self.now.unix_ms;
        let compact = Compact::new(self.small(key), true);
        let (run, due_ms) = (compact.run(), compact.due_ms());
        if due_ms == 0 || due_ms > now {
            return self.note_due(key, due_ms);
        }
        let dies = run.places().any(|place| run.deadline_ms(place) > now);
        let mut builder = Builder::new(dies);
        let (mut digits, mut value_digits) = Default::default();
        for entry in compact.live(now) {
            let value = entry.value.map(|value| Packed::new(value.text(&mut value_digits)));
            let field = Packed::new(entry.field.text(&mut digits));
            builder.push(&NewEntry { field, value, deadline_ms: entry.deadline_ms });
        }
        if builder.count() == 0 {
            self.drop_empty(key);
            self.tell(events::HASH, "hexpired", key);
            return self.tell_if_gone(key);
        }
        let (bytes, all) = (builder.finish(), compact.count());
        let reaped = Compact::new(&bytes, true).count() < all;
        let due_ms = Compact::new(&bytes, true).due_ms();
        // Shorter, or as long: refused only while somebody reads it from where it is, and then it stays for now.
        if let Ok(Some(value)) = self.store.resize(key, bytes.len(), now) {
            value.copy_from_slice(&bytes);
            if reaped {
                self.tell(events::HASH, "hexpired", key);
            }
        }
        self.note_due(key, due_ms);
    }
}

/// A field and its value may be in a small hash.
fn is_short(field: &[u8], value: &[u8], limits: &Limits) -> bool {
    field.len().max(value.len()) <= limits.hash_value_bytes
}

/// Room to be asked for before a field is set in a grown hash.
fn entry_room(field: &[u8], value: &[u8]) -> usize {
    64 + block_bytes(field.len() + value.len())
}

/// Where the live entry of a field lies.
fn live_place(compact: &Compact<'_>, field: &[u8], now_ms: u64) -> Option<Place> {
    let run = compact.run();
    let place = run.find(&Packed::new(field))?;
    is_live(run.deadline_ms(place), now_ms).then_some(place)
}
