//! The table of what a driver holds per connection: dense numbers, reused, with generations.

/// Bits of a generation that fit into an event's user data beside the slot's number.
const GENERATION_MASK: u32 = 0x00ff_ffff;

/// Values in numbered slots. A slot that is freed changes its generation, so that an event
/// which still carries the old one is known to be late.
pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Slots<T> {
    /// What a slot costs, apart from what its value points to.
    pub const SLOT_BYTES: usize = size_of::<Slot<T>>();

    pub fn new() -> Slots<T> {
        Slots { slots: Vec::new(), free: Vec::new() }
    }

    /// Puts `value` into a free slot and returns its number.
    pub fn insert(&mut self, value: T) -> u32 {
        if let Some(index) = self.free.pop() {
            self.slots[index as usize].value = Some(value);
            return index;
        }
        let index = u32::try_from(self.slots.len()).expect("fewer connections than descriptors");
        self.slots.push(Slot { generation: 0, value: Some(value) });
        index
    }

    /// Empties a slot and ends its generation.
    pub fn remove(&mut self, index: u32) -> Option<T> {
        let slot = self.slots.get_mut(index as usize)?;
        let value = slot.value.take()?;
        slot.generation = (slot.generation + 1) & GENERATION_MASK;
        self.free.push(index);
        Some(value)
    }

    /// The value in a slot, if it is taken.
    #[inline]
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slots.get_mut(index as usize)?.value.as_mut()
    }

    /// The value in a slot, if it is taken.
    pub fn get(&self, index: u32) -> Option<&T> {
        self.slots.get(index as usize)?.value.as_ref()
    }

    /// The numbers of the slots that are taken.
    pub fn taken(&self) -> Vec<u32> {
        (0..self.slots.len() as u32).filter(|&index| self.get(index).is_some()).collect()
    }

    /// The value in a slot, if it is still the one of `generation`.
    #[inline]
    pub fn of_generation(&mut self, index: u32, generation: u32) -> Option<&mut T> {
        let slot = self.slots.get_mut(index as usize)?;
        if slot.generation == generation { slot.value.as_mut() } else { None }
    }

    /// The generation of a slot, at most 24 bits wide.
    #[inline]
    pub fn generation(&self, index: u32) -> u32 {
        self.slots[index as usize].generation
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;

    #[test]
    fn freed_slot_is_reused_under_another_generation() {
        let mut slots = Slots::new();
        let a = slots.insert('a');
        let b = slots.insert('b');
        assert_eq!((a, b), (0, 1));
        let before = slots.generation(a);
        assert_eq!(slots.remove(a), Some('a'));
        assert_eq!(slots.remove(a), None);
        assert_eq!(slots.insert('c'), a);
        assert_eq!(slots.of_generation(a, before), None);
        assert_eq!(slots.of_generation(a, before + 1), Some(&mut 'c'));
        assert_eq!(slots.get_mut(b), Some(&mut 'b'));
        assert_eq!(slots.get(9), None);
    }
}
