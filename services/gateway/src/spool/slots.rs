//! The table of calls in flight on one worker.
//!
//! A slot holds the call's record as it would be if the call never ended, and what it took from which leases. One worker
//! writes; what a killed process left is read by recovery. The slot's state word is stored last: each bit makes one part valid.
//!
//! | offset | content |
//! | --- | --- |
//! | 0 | state bits, number of charges |
//! | 8 | length of the record, CRC-32 of the record as it was at the start |
//! | 16, 72, 128, 184 | a charge |
//! | 256 | the record |
//!
//! A charge is the lease's cell and the kind of its budget, the lease, the units, the worker's `charged` counter once they are
//! charged, the units given back, and the worker's `returned` counter once they are.

use std::sync::Arc;

use common::id::LeaseId;
use contracts::metering::Period;
use contracts::record::{MAX_RECORD, Outcome, Subject, UsageRecord, patch_outcome, patch_subject};
use uuid::Uuid;

use super::mapping::Mapping;

/// Bytes of one slot; a divisor of the page, so that no slot lies on two.
const SLOT: usize = 2048;
/// Bytes before the first slot: the sequence of the newest batch file of the stream.
const HEADER: usize = 4096;
/// Most charges of one call: a quota of each length of period, and a spend cap.
pub const MAX_CHARGES: usize = 4;
const CHARGES: usize = 16;
const CHARGE_LEN: usize = 56;
/// Within a charge: the units given back.
const BACK: usize = 40;
/// Within a charge: the `returned` counter.
const RETURNED: usize = 48;
const RECORD: usize = 256;
const _: () = assert!(CHARGES + MAX_CHARGES * CHARGE_LEN <= RECORD && RECORD + MAX_RECORD <= SLOT);

const OPEN: u64 = 1;
const SUBJECT: u64 = 2;
const RETURN: u64 = 8;
const ENDED: u64 = 16;
/// Where the number of charges stands in the state word.
const COUNT_SHIFT: u32 = 8;

/// What kind of budget a charge is against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A quota.
    Quota(Period),
    /// A spend cap; its units are micro-units of money.
    Spend,
}

impl Kind {
    const fn code(self) -> u64 {
        match self {
            Self::Quota(Period::Day) => 0,
            Self::Quota(Period::Week) => 1,
            Self::Quota(Period::Month) => 2,
            Self::Spend => 3,
        }
    }

    const fn from_code(code: u64) -> Self {
        match code {
            0 => Self::Quota(Period::Day),
            1 => Self::Quota(Period::Week),
            2 => Self::Quota(Period::Month),
            _ => Self::Spend,
        }
    }
}

/// What a call took from a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// What the lease is of.
    pub kind: Kind,
    /// Place of the lease's cell.
    pub cell: u32,
    /// The lease.
    pub lease: LeaseId,
    /// Units.
    pub units: u64,
    /// Value of the worker's `charged` counter in the cell when the charge has been made.
    pub expected: u64,
}

/// What a call gives back to a lease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Return {
    /// Units; 0 where all stay taken.
    pub units: u64,
    /// Value of the worker's `returned` counter in the cell when they have been given back.
    pub expected: u64,
}

/// What a slot of a dead process says.
#[derive(Debug, Clone)]
pub struct Left {
    /// The encoded record; with its outcome if the call had ended, else marked interrupted with no units.
    pub record: Vec<u8>,
    /// Every charge that was noted, with what was noted to be given back of it.
    pub charges: Vec<(Charge, Return)>,
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

    /// Notes charges that are about to be made, all of them at once: at most [`MAX_CHARGES`].
    #[inline]
    pub fn charge(&self, slot: u32, charges: impl Iterator<Item = Charge>) {
        let at = offset(slot);
        let state = self.map.load(at);
        let mut count = 0;
        for charge in charges.take(MAX_CHARGES) {
            let mut bytes = [0; CHARGE_LEN];
            let place = u64::from(charge.cell) | charge.kind.code() << 32;
            bytes[..8].copy_from_slice(&place.to_le_bytes());
            bytes[8..24].copy_from_slice(charge.lease.uuid().as_bytes());
            bytes[24..32].copy_from_slice(&charge.units.to_le_bytes());
            bytes[32..BACK].copy_from_slice(&charge.expected.to_le_bytes());
            self.map.write(at + CHARGES + count * CHARGE_LEN, &bytes);
            count += 1;
        }
        self.map.store(at, state | (count as u64) << COUNT_SHIFT);
    }

    /// Notes what is about to be given back of the noted charges, in their order and all of it at once.
    #[inline]
    pub fn give_back(&self, slot: u32, returns: impl Iterator<Item = Return>) {
        self.extend(slot, RETURN, |at| {
            for (index, given_back) in returns.take(MAX_CHARGES).enumerate() {
                let at = at + CHARGES + index * CHARGE_LEN;
                self.map.store(at + BACK, given_back.units);
                self.map.store(at + RETURNED, given_back.expected);
            }
        });
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
        let count = ((state >> COUNT_SHIFT) as usize & 0xFF).min(MAX_CHARGES);
        let charge = |index| self.left_charge(at + CHARGES + index * CHARGE_LEN, state & RETURN != 0);
        Some(Left { record, charges: (0..count).map(charge).collect(), ended })
    }

    fn left_charge(&self, at: usize, given_back: bool) -> (Charge, Return) {
        let mut bytes = [0; CHARGE_LEN];
        self.map.read(at, &mut bytes);
        let word = |from: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[from..from + 8]);
            u64::from_le_bytes(word)
        };
        let mut lease = [0; 16];
        lease.copy_from_slice(&bytes[8..24]);
        let charge = Charge {
            kind: Kind::from_code(word(0) >> 32),
            cell: word(0) as u32,
            lease: LeaseId::from_uuid(Uuid::from_bytes(lease)),
            units: word(24),
            expected: word(32),
        };
        let noted = Return { units: word(BACK), expected: word(RETURNED) };
        (charge, if given_back { noted } else { Return::default() })
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
