//! Which values a key has, so that a change of the key finds them.
//!
//! Only the writer holds it: 24 bytes per value, in sorted shards by the random end of the id.

use common::id::KeyId;

use super::keys::KeyHash;

const SHARDS: usize = 4096;
/// Room added at once, so that shards hold little more than their entries.
const GROWTH: usize = 8;

/// Key ids with the leading half of their values' hashes.
#[derive(Debug)]
pub(super) struct KeyIndex {
    shards: Vec<Vec<(KeyId, u64)>>,
}

impl Default for KeyIndex {
    fn default() -> Self {
        Self { shards: vec![Vec::new(); SHARDS] }
    }
}

impl KeyIndex {
    /// Puts the key's values in the place of those it had; hands out the ones it had.
    pub(super) fn replace(&mut self, key: KeyId, values: impl Iterator<Item = KeyHash>) -> Vec<u64> {
        let bytes = key.uuid().into_bytes();
        let shard = &mut self.shards[usize::from(u16::from_be_bytes([bytes[14], bytes[15]])) % SHARDS];
        let start = shard.partition_point(|(other, _)| *other < key);
        let held = shard[start..].iter().take_while(|(other, _)| *other == key).count();
        let before = shard.drain(start..start + held).map(|(_, prefix)| prefix).collect();
        for value in values {
            if shard.len() == shard.capacity() {
                shard.reserve_exact(GROWTH);
            }
            shard.insert(start, (key, value.prefix()));
        }
        before
    }

    /// Adds one value of a key, when a saved state is read.
    pub(super) fn add(&mut self, key: KeyId, value: KeyHash) {
        let mut values = self.replace(key, std::iter::empty());
        values.push(value.prefix());
        let bytes = key.uuid().into_bytes();
        let shard = &mut self.shards[usize::from(u16::from_be_bytes([bytes[14], bytes[15]])) % SHARDS];
        let start = shard.partition_point(|(other, _)| *other < key);
        shard.splice(start..start, values.into_iter().map(|prefix| (key, prefix)));
    }
}
