//! All keys by the hash of their value, as a copy-on-write table.
//!
//! Two levels of 64 branches each: a change copies one leaf and the two nodes above it, so it costs microseconds however
//! many keys there are, and readers keep the table they began with. A leaf holds exactly its entries, sorted; at a
//! million keys that is about 250. Knows no plan and no stage: an entry says who the key is and which grant it has.

use std::sync::Arc;

use common::id::{KeyId, SubscriptionId};
use uuid::Uuid;

pub(super) const BRANCHES: usize = 64;

/// The first 16 bytes of the SHA-256 of a key's value, as two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyHash(u64, u64);

impl KeyHash {
    /// The hash of a value as it was sent.
    pub(crate) fn of(value: &[u8]) -> Self {
        Self::from_digest(&common::secret::sha256(value))
    }

    /// From the 64 hexadecimal digits metering sends.
    pub(crate) fn from_hex(digits: &str) -> Option<Self> {
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let half = |digits| u64::from_str_radix(digits, 16).ok();
        Some(Self(half(&digits[..16])?, half(&digits[16..32])?))
    }

    fn from_digest(digest: &[u8; 32]) -> Self {
        let mut leading = [0; 16];
        leading.copy_from_slice(&digest[..16]);
        Self::from_bytes(leading)
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.0.to_be_bytes());
        bytes[8..].copy_from_slice(&self.1.to_be_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(bytes);
        Self((number >> 64) as u64, number as u64)
    }

    /// The leading half, by which the index of keys finds the entry again.
    pub(crate) fn prefix(self) -> u64 {
        self.0
    }

    fn branches(self) -> (usize, usize) {
        branches(self.prefix())
    }
}

fn branches(prefix: u64) -> (usize, usize) {
    ((prefix >> 58) as usize, (prefix >> 52) as usize % BRANCHES)
}

/// One admitted value of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyEntry {
    pub(crate) key: KeyId,
    /// Nil where the key stands alone.
    subscription: Uuid,
    /// Milliseconds since the epoch from which the value is refused; `i64::MAX` = never.
    expires_ms: i64,
    /// Interned tenant, and [`DISABLED`].
    tenant: u32,
    /// Interned usage plans and sold plan.
    pub(crate) grant: u32,
}

/// Of the tenant's number, which is far below: with a byte of its own an item would not fit into one cache line.
const DISABLED: u32 = 1 << 31;

impl KeyEntry {
    pub(crate) fn new(
        key: KeyId,
        subscription: Option<SubscriptionId>,
        expires_ms: Option<i64>,
        tenant: u32,
        grant: u32,
        enabled: bool,
    ) -> Self {
        Self {
            key,
            subscription: subscription.map_or(Uuid::nil(), SubscriptionId::uuid),
            expires_ms: expires_ms.unwrap_or(i64::MAX),
            tenant: if enabled { tenant } else { tenant | DISABLED },
            grant,
        }
    }

    /// Number of the tenant.
    pub(crate) const fn tenant(&self) -> u32 {
        self.tenant & !DISABLED
    }

    /// Whether calls with the value are admitted.
    pub(crate) const fn is_enabled(&self) -> bool {
        self.tenant & DISABLED == 0
    }

    /// The subscription that carries the key.
    pub(crate) fn subscription(&self) -> Option<SubscriptionId> {
        (!self.subscription.is_nil()).then(|| SubscriptionId::from_uuid(self.subscription))
    }

    /// Milliseconds since the epoch from which the value is refused.
    pub(super) fn expires_ms(&self) -> Option<i64> {
        (self.expires_ms != i64::MAX).then_some(self.expires_ms)
    }

    /// True from the exact millisecond on at which the value ends.
    pub(crate) fn is_expired(&self, now_micros: i64) -> bool {
        self.expires_ms != i64::MAX && now_micros >= self.expires_ms.saturating_mul(1_000)
    }
}

/// A value and what it opens, side by side: a search that ends at the value has the entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    hash: KeyHash,
    entry: KeyEntry,
}

/// Sorted by hash.
type Leaf = Arc<[Item]>;

pub(super) type Node = Arc<[Leaf; BRANCHES]>;

/// The table. Cloning shares everything.
#[derive(Debug, Clone)]
pub(crate) struct KeyTable {
    root: Arc<[Node; BRANCHES]>,
    len: usize,
}

impl Default for KeyTable {
    fn default() -> Self {
        let leaf = Leaf::default();
        let node: Node = Arc::new(std::array::from_fn(|_| leaf.clone()));
        Self { root: Arc::new(std::array::from_fn(|_| node.clone())), len: 0 }
    }
}

impl KeyTable {
    /// The entry of a value.
    pub(crate) fn get(&self, hash: KeyHash) -> Option<&KeyEntry> {
        let (high, low) = hash.branches();
        let leaf = &self.root[high][low];
        position(leaf, hash).ok().map(|at| &leaf[at].entry)
    }

    /// The branches of the first level; one that two tables share holds the same entries in both.
    pub(super) fn branch(&self, at: usize) -> &Node {
        &self.root[at]
    }

    /// Every entry below one branch of the first level.
    pub(super) fn entries(&self, branch: usize) -> impl Iterator<Item = (KeyHash, &KeyEntry)> {
        self.root[branch].iter().flat_map(|leaf| leaf.iter().map(|item| (item.hash, &item.entry)))
    }

    /// Values held.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Puts an entry in, in place of the one with the same hash.
    pub(crate) fn insert(&mut self, hash: KeyHash, entry: KeyEntry) {
        let (high, low) = hash.branches();
        let leaf = self.leaf_mut(high, low);
        match position(leaf, hash) {
            Ok(at) => Arc::make_mut(leaf)[at].entry = entry,
            Err(at) => {
                let (before, after) = leaf.split_at(at);
                let item = std::iter::once(Item { hash, entry });
                *leaf = before.iter().copied().chain(item).chain(after.iter().copied()).collect();
                self.len += 1;
            }
        }
    }

    /// Takes out `key`'s entry whose hash begins with `prefix`.
    pub(crate) fn remove(&mut self, prefix: u64, key: KeyId) {
        let (high, low) = branches(prefix);
        let leaf = &self.root[high][low];
        let start = leaf.partition_point(|item| item.hash.prefix() < prefix);
        let same_prefix = (start..leaf.len()).take_while(|at| leaf[*at].hash.prefix() == prefix);
        let Some(at) = same_prefix.into_iter().find(|at| leaf[*at].entry.key == key) else { return };
        let leaf = self.leaf_mut(high, low);
        let (before, after) = leaf.split_at(at);
        *leaf = before.iter().chain(&after[1..]).copied().collect();
        self.len -= 1;
    }

    fn leaf_mut(&mut self, high: usize, low: usize) -> &mut Leaf {
        let root = Arc::make_mut(&mut self.root);
        &mut Arc::make_mut(&mut root[high])[low]
    }
}

fn position(leaf: &[Item], hash: KeyHash) -> Result<usize, usize> {
    leaf.binary_search_by_key(&hash, |item| item.hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> KeyId {
        KeyId::from_uuid(Uuid::from_u128(u128::from(number) + 1))
    }

    fn hash(number: u32) -> KeyHash {
        KeyHash::of(&number.to_le_bytes())
    }

    fn entry(number: u32) -> KeyEntry {
        KeyEntry::new(id(number), None, None, 0, number, true)
    }

    #[test]
    fn the_hash_is_the_one_metering_sends() {
        let digits = common::secret::sha256_hex(b"key");
        assert_eq!(KeyHash::from_hex(&digits), Some(KeyHash::of(b"key")));
        assert_eq!(KeyHash::from_hex(&digits[1..]), None);
        assert_eq!(KeyHash::from_hex(&"g".repeat(64)), None);
        assert_eq!(KeyHash::from_hex(&format!("+{}", &digits[1..])), None);
    }

    #[test]
    fn every_key_is_found_and_no_other() {
        let mut table = KeyTable::default();
        (0..20_000).for_each(|number| table.insert(hash(number), entry(number)));
        assert_eq!(table.len(), 20_000);
        assert!((0..20_000).all(|number| table.get(hash(number)) == Some(&entry(number))));
        assert!((20_000..40_000).all(|number| table.get(hash(number)).is_none()));
        (0..20_000).step_by(2).for_each(|number| table.remove(hash(number).prefix(), id(number)));
        assert_eq!(table.len(), 10_000);
        assert!((0..20_000).all(|number| table.get(hash(number)).is_some() == (number % 2 == 1)));
    }

    #[test]
    fn readers_keep_the_table_they_began_with() {
        let mut table = KeyTable::default();
        table.insert(hash(1), entry(1));
        let before = table.clone();
        table.remove(hash(1).prefix(), id(1));
        table.insert(hash(2), entry(2));
        assert!(before.get(hash(1)).is_some() && before.get(hash(2)).is_none());
        assert!(table.get(hash(1)).is_none() && table.get(hash(2)).is_some());
    }

    #[test]
    fn a_hash_taken_over_by_another_key_is_not_removed_with_the_first() {
        let mut table = KeyTable::default();
        table.insert(hash(1), entry(1));
        table.insert(hash(1), entry(2));
        table.remove(hash(1).prefix(), id(1));
        assert_eq!(table.get(hash(1)), Some(&entry(2)));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_value_ends_at_its_exact_millisecond() {
        let entry = KeyEntry::new(id(1), None, Some(5), 0, 0, true);
        assert!(!entry.is_expired(4_999));
        assert!(entry.is_expired(5_000));
        assert!(!self::entry(1).is_expired(i64::MAX));
    }

    #[test]
    fn an_entry_with_its_hash_takes_one_cache_line() {
        assert_eq!(size_of::<Item>(), 64);
        let disabled = KeyEntry::new(id(1), None, None, 7, 8, false);
        assert_eq!((disabled.tenant(), disabled.is_enabled()), (7, false));
        assert_eq!((entry(1).tenant(), entry(1).is_enabled()), (0, true));
    }
}
