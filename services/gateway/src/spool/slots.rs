//! The table of calls in flight on one worker.
//!
//! A slot holds the call's record as it would be if the call never ended, and what it took from which lease. One worker
//! writes; what a killed process left is read by recovery. The slot's state word is stored last: each bit makes one part valid.
//!
//! | offset | content |
//! | --- | --- |
//! | 0 | state bits |
//! | 8 | length of the record, CRC-32 of the record as it was at the start |
//! | 16 | charge: cell, lease, units, the worker's `charged` counter once it is made |
//! | 56 | the worker's `returned` counter once the charge is given back |
//! | 128 | the record |

use std::sync::Arc;

use common::id::LeaseId;
use contracts::record::{MAX_RECORD, Outcome, Subject, UsageRecord, patch_outcome, patch_subject};
use uuid::Uuid;

use super::mapping::Mapping;

/// Bytes of one slot; a divisor of the page, so that no slot lies on two.
const SLOT: usize = 2048;
/// Bytes before the first slot: the sequence of the newest batch file of the stream.
const HEADER: usize = 4096;
const RECORD: usize = 128;
const _: () = assert!(RECORD + MAX_RECORD <= SLOT);

const OPEN: u64 = 1;
const SUBJECT: u64 = 2;
const CHARGE: u64 = 4;
const RETURN: u64 = 8;
const ENDED: u64 = 16;

/// What a call took from a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// Place of the lease's cell.
    pub cell: u32,
    /// The lease.
    pub lease: LeaseId,
    /// Units.
    pub units: u64,
    /// Value of the worker's `charged` counter in the cell when the charge has been made.
    pub expected: u64,
}

/// What a slot of a dead process says.
#[derive(Debug, Clone)]
pub struct Left {
    /// The encoded record; with its outcome if the call had ended, else marked interrupted with no units.
    pub record: Vec<u8>,
    /// The charge, if one was begun.
    pub charge: Option<Charge>,
    /// Value of the `returned` counter when the charge has been given back, if that was begun.
    pub returned: Option<u64>,
    /// Whether the record holds the call's outcome.
    pub ended: bool,
}

/// The slots of one worker.
#[derive(Debug, Clone)]
pub struct Slots {
    map: Arc<Mapping>,
}

impl Slots {
    /// File length for a number of slots.
    pub const fn file_len(slots: u32) -> usize {
        HEADER + slots as usize * SLOT
    }

    /// The slots in a mapping.
    pub fn new(map: Mapping) -> Self {
        Self { map: Arc::new(map) }
    }

    /// Number of slots.
    pub fn count(&self) -> u32 {
        ((self.map.len().saturating_sub(HEADER)) / SLOT) as u32
    }

    /// Sequence of the newest batch file made for this worker.
    pub fn newest_sequence(&self) -> u64 {
        self.map.load(0)
    }

    /// Notes that the batch file with this sequence exists.
    pub fn set_newest_sequence(&self, sequence: u64) {
        self.map.store(0, sequence);
    }

    /// Starts a call: `record` is its record if it never ends.
    #[inline]
    pub fn open(&self, slot: u32, record: &[u8]) {
        let at = offset(slot);
        self.map.write(at + RECORD, record);
        let check = u64::from(crc32fast::hash(record)) << 32;
        self.map.store(at + 8, record.len() as u64 | check);
        self.map.store(at, OPEN);
    }

    /// Copies the call's record to the start of `buffer` and answers its length.
    #[inline]
    pub fn record(&self, slot: u32, buffer: &mut [u8]) -> usize {
        let at = offset(slot);
        let len = record_len(self.map.load(at + 8)).min(buffer.len());
        self.map.read(at + RECORD, &mut buffer[..len]);
        len
    }

    /// Says on whose account the call runs; `record` is the same record with the account in it.
    #[inline]
    pub fn identify(&self, slot: u32, record: &[u8]) {
        self.extend(slot, SUBJECT, |at| self.map.write(at + RECORD, record));
    }

    /// Notes a charge that is about to be made.
    #[inline]
    pub fn charge(&self, slot: u32, charge: &Charge) {
        self.extend(slot, CHARGE, |at| {
            let mut bytes = [0; 40];
            bytes[..8].copy_from_slice(&u64::from(charge.cell).to_le_bytes());
            bytes[8..24].copy_from_slice(charge.lease.uuid().as_bytes());
            bytes[24..32].copy_from_slice(&charge.units.to_le_bytes());
            bytes[32..].copy_from_slice(&charge.expected.to_le_bytes());
            self.map.write(at + 16, &bytes);
        });
    }

    /// Notes that the charge is about to be given back: `expected` is the `returned` counter afterwards.
    #[inline]
    pub fn give_back(&self, slot: u32, expected: u64) {
        self.extend(slot, RETURN, |at| self.map.store(at + 56, expected));
    }

    /// Keeps the final record in the slot, for when no batch can take it now.
    pub fn end(&self, slot: u32, record: &[u8]) {
        self.extend(slot, ENDED, |at| self.map.write(at + RECORD, record));
    }

    /// Frees the slot: its record is in a batch, or none is due.
    #[inline]
    pub fn clear(&self, slot: u32) {
        self.map.store(offset(slot), 0);
    }

    /// Whether no slot holds a call.
    pub fn are_free(&self) -> bool {
        (0..self.count()).all(|slot| self.map.load(offset(slot)) & OPEN == 0)
    }

    /// Brings the table to the disk.
    pub fn sync(&self) -> std::io::Result<()> {
        self.map.sync()
    }

    /// What is left in a slot. Nothing if it is free, or if a loss of power left no whole record.
    pub fn left(&self, slot: u32) -> Option<Left> {
        let at = offset(slot);
        let state = self.map.load(at);
        if state & OPEN == 0 {
            return None;
        }
        let word = self.map.load(at + 8);
        let len = record_len(word);
        if len > MAX_RECORD {
            return None;
        }
        let mut record = vec![0; len];
        self.map.read(at + RECORD, &mut record);
        let stored = UsageRecord::decode(&record).ok();
        let ended = state & ENDED != 0 && stored.is_some();
        let subject = match stored {
            Some(stored) if state & SUBJECT != 0 => stored.subject,
            _ => Subject::default(),
        };
        let outcome = stored.filter(|_| ended).map(|stored| stored.outcome);
        // The checksum is that of the record at the start, without account and outcome.
        patch_subject(&mut record, &Subject::default());
        patch_outcome(&mut record, &Outcome::INTERRUPTED);
        if u64::from(crc32fast::hash(&record)) != word >> 32 {
            return None;
        }
        patch_subject(&mut record, &subject);
        patch_outcome(&mut record, &outcome.unwrap_or(Outcome::INTERRUPTED));
        let charge = (state & CHARGE != 0).then(|| self.left_charge(at));
        let returned = (state & RETURN != 0).then(|| self.map.load(at + 56));
        Some(Left { record, charge, returned, ended })
    }

    fn left_charge(&self, at: usize) -> Charge {
        let mut bytes = [0; 40];
        self.map.read(at + 16, &mut bytes);
        let word = |from: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[from..from + 8]);
            u64::from_le_bytes(word)
        };
        let mut lease = [0; 16];
        lease.copy_from_slice(&bytes[8..24]);
        Charge {
            cell: word(0) as u32,
            lease: LeaseId::from_uuid(Uuid::from_bytes(lease)),
            units: word(24),
            expected: word(32),
        }
    }

    #[inline]
    fn extend(&self, slot: u32, bit: u64, write: impl FnOnce(usize)) {
        let at = offset(slot);
        let state = self.map.load(at);
        write(at);
        self.map.store(at, state | bit);
    }
}

const fn offset(slot: u32) -> usize {
    HEADER + slot as usize * SLOT
}

const fn record_len(word: u64) -> usize {
    (word & 0xFFFF_FFFF) as usize
}
