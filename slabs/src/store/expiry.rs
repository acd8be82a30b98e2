//! Reclaiming what is dead: by touch, and by a sweep over the pages.
//!
//! Each page knows a time before which nothing in it dies, so the sweep passes over pages where nothing is due at the
//! cost of a compare, and its pace follows what there is to find. It looks at the chunks of a page in the order of
//! their addresses, which the CPU prefetches by itself; only what is dead is looked up in the index.

use super::{Gone, Store, Way};
use crate::hash::Key;
use crate::index::Slot;
use crate::page::Handle;
use crate::stats::{ExpiryStats, SweepReport};

/// Pages passed over that cost as much as one entry.
const PAGES_PER_ENTRY: u64 = 16;

/// Where the sweep is.
#[derive(Default)]
pub(crate) struct Sweep {
    page: u32,
    slot: u32,
    /// Pages passed over since something was due.
    idle_pages: u32,
    /// The earliest expiry seen in this page so far that is still to come.
    page_due_ms: u64,
    /// Entries with an expiry in due pages, and dead ones among them: both halved from time to time.
    volatile_seen: u64,
    dead_seen: u64,
    late_ms_max: u64,
}

impl Store {
    /// Reclaims a dead item.
    pub(crate) fn expire(&mut self, hash: u64, slot: Slot, handle: Handle, now_ms: u64) {
        let late_ms = now_ms - self.pages.raw(handle).expire_at_ms();
        self.sweep.late_ms_max = self.sweep.late_ms_max.max(late_ms);
        self.counters.expired += 1;
        self.counters.expired_unread += u64::from(self.pages.raw(handle).frequency() == 0);
        if self.witness.is_at_gate() {
            self.witness.note_passage(&self.pages, handle, Way::Expired);
        }
        let version = self.next_change();
        self.index.stamp(hash, version);
        self.drop_item(hash, slot, handle, Gone::Expired);
    }

    /// Reclaims dead items, looking at no more than about `examine_max` entries (16 pages in which nothing is due cost
    /// as much as one entry), and gives back a page of the memory that nothing needs. Once it has been round all pages, nothing was due, and there is no
    /// memory to give back, it says that nothing is pending: nothing was due when that round began, which may be calls ago.
    pub fn sweep(&mut self, now_ms: u64, examine_max: usize) -> SweepReport {
        self.unpin_released();
        // Giving memory back costs the kernel time, so it is done here and not where the last item of a page goes.
        if self.pages.has_many_spare() {
            self.pages.release_spare();
        } else {
            self.index.release_unused();
        }
        let mut report = SweepReport::default();
        let examine_max = examine_max as u64;
        let mut passed = 0;
        while report.examined + passed / PAGES_PER_ENTRY < examine_max {
            let pages = self.pages.page_count();
            if self.sweep.page >= pages {
                (self.sweep.page, self.sweep.slot) = (0, 0);
            }
            if self.sweep.idle_pages >= pages {
                self.sweep.idle_pages = 0;
                self.counters.swept += report.examined;
                report.pending = self.pages.has_many_spare();
                return report;
            }
            let started = self.sweep.slot > 0;
            if !started && self.pages.due_ms(self.sweep.page) > now_ms {
                self.sweep.page += 1;
                self.sweep.slot = 0;
                self.sweep.idle_pages += 1;
                passed += 1;
                continue;
            }
            if self.sweep_page(now_ms, examine_max, &mut report) {
                self.sweep.page += 1;
                self.sweep.slot = 0;
                self.sweep.idle_pages = 0;
            }
        }
        report.pending = true;
        self.counters.swept += report.examined;
        report
    }

    /// Goes on with one page. True: the page is done.
    fn sweep_page(&mut self, now_ms: u64, examine_max: u64, report: &mut SweepReport) -> bool {
        let page = self.sweep.page;
        if self.sweep.slot == 0 {
            self.sweep.page_due_ms = u64::MAX;
            // What comes while the sweep is in this page lowers it again.
            self.pages.set_due_ms(page, u64::MAX);
        }
        while self.sweep.slot < self.pages.slots_in(page) {
            if report.examined == examine_max {
                return false;
            }
            let slot = self.sweep.slot;
            self.sweep.slot += 1;
            report.examined += 1;
            let Some((handle, raw)) = self.pages.live(page, slot) else { continue };
            if !raw.has_expiry() {
                continue;
            }
            self.sweep.volatile_seen += 1;
            let due_ms = raw.expire_at_ms();
            if due_ms > now_ms {
                self.sweep.page_due_ms = self.sweep.page_due_ms.min(due_ms);
                continue;
            }
            self.sweep.dead_seen += 1;
            report.expired += 1;
            report.late_ms_max = report.late_ms_max.max(now_ms - due_ms);
            self.expire_swept(handle, now_ms);
            if self.pages.class_of_page(page).is_none() {
                return true;
            }
        }
        if self.pages.volatile_in(page) > 0 {
            let came_ms = self.pages.due_ms(page);
            self.pages.set_due_ms(page, self.sweep.page_due_ms.min(came_ms));
        }
        if self.sweep.volatile_seen > 1 << 20 {
            self.sweep.volatile_seen /= 2;
            self.sweep.dead_seen /= 2;
        }
        true
    }

    fn expire_swept(&mut self, handle: Handle, now_ms: u64) {
        let hash = self.hash_of(handle);
        if let Some((slot, _)) = self.index.find(hash, |other| other == handle) {
            self.expire(hash, slot, handle, now_ms);
        }
    }

    /// Removes the items of some databases, looking at no more than about `examine_max` entries. True: none is
    /// left.
    pub fn purge(&mut self, dbs: impl Fn(u8) -> bool, examine_max: usize) -> bool {
        self.unpin_released();
        let mut examined = 0;
        while (0..=255).any(|db| dbs(db) && self.len_db(db) > 0) {
            let (page, slot) = self.purge_at;
            if examined >= examine_max {
                return false;
            }
            examined += 1;
            if page >= self.pages.page_count() {
                self.purge_at = (0, 0);
                continue;
            }
            if self.pages.class_of_page(page).is_none() {
                self.purge_at = (page + 1, 0);
                continue;
            }
            examined += self.purge_page(&dbs, page, slot, examine_max - examined);
        }
        true
    }

    /// Goes on with one page; the entries looked at.
    fn purge_page(&mut self, dbs: &impl Fn(u8) -> bool, page: u32, from: u32, examine_max: usize) -> usize {
        for (examined, slot) in (from..self.pages.slots_in(page)).enumerate() {
            if examined >= examine_max {
                self.purge_at = (page, slot);
                return examined;
            }
            let Some((handle, raw)) = self.pages.live(page, slot) else { continue };
            if !dbs(raw.db()) {
                continue;
            }
            let hash = self.hash_of(handle);
            if let Some((slot, _)) = self.index.find(hash, |other| other == handle) {
                let version = self.next_change();
                self.index.stamp(hash, version);
                self.drop_item(hash, slot, handle, Gone::Removed);
            }
            if self.pages.class_of_page(page).is_none() {
                break;
            }
        }
        self.purge_at = (page + 1, 0);
        (self.pages.slots_in(page).saturating_sub(from)) as usize
    }

    /// How expiry does. The number of dead items that are not reclaimed is an estimate: the items with an expiry in
    /// pages where something may be due, times the share of dead ones that the sweep found lately.
    pub fn expiry(&self, now_ms: u64) -> ExpiryStats {
        let mut stats = ExpiryStats { late_ms_max: self.sweep.late_ms_max, ..ExpiryStats::default() };
        let mut oldest = now_ms;
        let mut candidates = 0;
        for page in 0..self.pages.page_count() {
            stats.volatile += u64::from(self.pages.volatile_in(page));
            let due_ms = self.pages.due_ms(page);
            if due_ms <= now_ms {
                candidates += u64::from(self.pages.volatile_in(page));
                oldest = oldest.min(due_ms);
            }
        }
        let seen = self.sweep.volatile_seen.max(1);
        let dead = if self.sweep.volatile_seen == 0 { 1 } else { self.sweep.dead_seen };
        stats.unreclaimed = (u128::from(candidates) * u128::from(dead) / u128::from(seen)) as u64;
        stats.late_ms = now_ms - oldest;
        stats
    }

    /// Reclaims the item of a key if it is dead. True: it was.
    pub fn reclaim(&mut self, key: &Key, now_ms: u64) -> bool {
        self.reclaim_parts(key.slot_hash(), key.db, key.bytes, now_ms)
    }

    /// The same, taking the parts in registers: `get` would otherwise keep its key in memory for this rare case.
    #[cold]
    #[inline(never)]
    pub(crate) fn reclaim_parts(&mut self, hash: u64, db: u8, bytes: &[u8], now_ms: u64) -> bool {
        match self.find(hash, &Key { db, bytes, hash }) {
            Some((slot, handle)) if self.pages.raw(handle).is_expired(now_ms) => {
                self.expire(hash, slot, handle, now_ms);
                self.counters.expired_by_touch += 1;
                true
            }
            _ => false,
        }
    }
}
