//! What a dead run left: its batches, its calls in flight as records, its leases as statements.
//!
//! Can itself be killed anywhere and started again. First every batch is made immutable. Then each slot whose record is in no
//! batch becomes a record of one more batch, and the slots file is removed, before anything is shipped: so a slot never meets a
//! batch that is already gone. The directory is removed when all is acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use common::id::{GatewayId, IncarnationId, RequestId};
use contracts::lease::LeaseStatement;
use contracts::record::{
    BatchName, FRAME_HEADER, Flags, Frames, HEADER_LEN, Outcome, UsageRecord, frame, patch_outcome,
};

use super::cells::Cells;
use super::disk::Disk;
use super::run::{LEASES, META, Meta, remove, slots_file};
use super::segment::{self, Remains, SealedBatch};
use super::slots::{Charge, Kind, Left, Slots};
use super::{Error, Result};

/// A dead run, ready to be shipped and settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Whose run.
    pub gateway: GatewayId,
    /// The run.
    pub incarnation: IncarnationId,
    /// The machine went down with it: its leases are not stated but written off by metering.
    pub power_lost: bool,
    /// Its batches, in the order of streams and sequences.
    pub batches: Vec<SealedBatch>,
    /// What it spent of its open leases; empty after a loss of power.
    pub statements: Vec<LeaseStatement>,
    /// Calls that were in flight.
    pub interrupted: usize,
}

impl Recovered {
    /// Removes its directory: everything is shipped and settled.
    pub fn remove(&self, disk: &Disk) -> Result<()> {
        remove(disk, &self.incarnation.to_string())
    }
}

/// Recovers every dead run on the disk, oldest first. The present run must not have started.
pub fn recover(disk: &Disk, boot_id: &str) -> Result<Vec<Recovered>> {
    let mut runs = Vec::new();
    for directory in disk.directories()? {
        if directory.parse::<IncarnationId>().is_err() {
            continue;
        }
        match disk.read_if_present(&format!("{directory}/{META}"))? {
            Some(meta) => runs.push(recover_run(disk, &directory, &meta, boot_id)?),
            // It never began, or is done: no call ever ran, or everything is acknowledged.
            None => disk.remove_directory(&directory)?,
        }
    }
    Ok(runs)
}

fn recover_run(disk: &Disk, directory: &str, meta: &[u8], boot_id: &str) -> Result<Recovered> {
    let meta: Meta = serde_json::from_slice(meta)
        .map_err(|error| Error::Damaged { name: format!("{directory}/{META}"), what: error.to_string() })?;
    let power_lost = meta.boot_id != boot_id && !meta.clean;
    let cells = Cells::new(disk.open(&format!("{directory}/{LEASES}"))?, meta.workers);
    let mut batches = Vec::new();
    let mut interrupted = 0;
    for worker in 0..meta.workers {
        let name = |sequence| BatchName {
            gateway: meta.gateway,
            incarnation: meta.incarnation,
            stream: worker,
            sequence,
        };
        let mut stream = Stream { disk, directory, batches: Vec::new(), unused: None, name: &name };
        stream.seal_all(worker)?;
        let file = slots_file(directory, worker);
        if disk.read_if_present(&file)?.is_some() {
            let slots = Slots::new(disk.open(&file)?);
            interrupted += stream.add_interrupted(worker, &slots, &cells, power_lost)?;
            drop(slots);
            disk.remove(&file)?;
            disk.sync_directory(directory)?;
        }
        batches.append(&mut stream.batches);
    }
    let statements = if power_lost { Vec::new() } else { statements(&cells) };
    Ok(Recovered {
        gateway: meta.gateway,
        incarnation: meta.incarnation,
        power_lost,
        batches,
        statements,
        interrupted,
    })
}

/// What was spent of every lease in the cells, as final statements.
fn statements(cells: &Cells) -> Vec<LeaseStatement> {
    let stated = |cell| {
        let (lease, _) = cells.lease(cell)?;
        let spent = cells.spent(cell);
        Some(LeaseStatement { lease, spent, ceiling: spent, closed: true })
    };
    (0..cells.count()).filter_map(stated).collect()
}

struct Stream<'a, N: Fn(u64) -> BatchName> {
    disk: &'a Disk,
    directory: &'a str,
    batches: Vec<SealedBatch>,
    /// First sequence that was made but never used.
    unused: Option<u64>,
    name: &'a N,
}

impl<N: Fn(u64) -> BatchName> Stream<'_, N> {
    /// Makes every batch of the stream immutable. Files behind the last one with records were never used.
    fn seal_all(&mut self, worker: u32) -> Result<()> {
        let files = self.disk.list(self.directory)?;
        let found = files.iter().filter_map(|file| segment::parse_file_name(file));
        let sequences: BTreeSet<u64> =
            found.filter(|(stream, _)| *stream == worker).map(|(_, sequence)| sequence).collect();
        let mut empty = Vec::new();
        for sequence in sequences {
            let name = (self.name)(sequence);
            let file = format!("{}/{}", self.directory, segment::file_name(&name));
            match segment::remains(self.disk, &file)? {
                Remains::Nothing => empty.push(sequence),
                Remains::Sealed(bytes) => {
                    self.seal_empty(&mut empty)?;
                    // The process may have died after writing the header and before it synced.
                    let synced = self.disk.open(&file)?.sync();
                    synced.map_err(|source| Error::Disk { action: "sync", name: file.clone(), source })?;
                    let oldest =
                        contracts::record::Batch::parse(&bytes).map_or(i64::MAX, |batch| batch.oldest);
                    self.batches.push(SealedBatch { name, file, len: bytes.len(), oldest });
                }
                Remains::Records { body, count, oldest } => {
                    self.seal_empty(&mut empty)?;
                    self.batches.push(segment::write(self.disk, self.directory, name, count, oldest, &body)?);
                }
            }
        }
        self.unused = empty.first().copied();
        Ok(())
    }

    /// Power took the records of these batches before they were ever sent; their places in the stream stay.
    fn seal_empty(&mut self, empty: &mut Vec<u64>) -> Result<()> {
        for sequence in empty.drain(..) {
            let name = (self.name)(sequence);
            self.batches.push(segment::write(self.disk, self.directory, name, 0, i64::MAX, &[])?);
        }
        Ok(())
    }

    /// Turns the slots into batches, one for each day.
    fn add_interrupted(
        &mut self,
        worker: u32,
        slots: &Slots,
        cells: &Cells,
        power_lost: bool,
    ) -> Result<usize> {
        let mut left: BTreeMap<RequestId, Vec<u8>> = BTreeMap::new();
        for slot in 0..slots.count() {
            let Some(mut call) = slots.left(slot) else { continue };
            // What a loss of power left of the counters is not made to look whole: their leases are written off.
            if !power_lost && !call.ended {
                roll_forward(&call, cells, worker);
            }
            complete(&mut call, cells, worker);
            if let Ok(record) = UsageRecord::decode(&call.record) {
                left.insert(record.request_id, call.record);
            }
        }
        for batch in &self.batches {
            if left.is_empty() {
                return Ok(0);
            }
            let bytes = segment::read(self.disk, &batch.file)?;
            for record in Frames::new(&bytes[HEADER_LEN..])
                .flatten()
                .filter_map(|bytes| UsageRecord::decode(bytes).ok())
            {
                left.remove(&record.request_id);
            }
        }
        let mut days: BTreeMap<i32, (Vec<u8>, u32, i64)> = BTreeMap::new();
        for encoded in left.values() {
            let Ok(record) = UsageRecord::decode(encoded) else { continue };
            let (body, count, oldest) = days.entry(record.day()).or_insert((Vec::new(), 0, i64::MAX));
            body.reserve(FRAME_HEADER + encoded.len());
            body.extend_from_slice(&frame(encoded));
            body.extend_from_slice(encoded);
            *count += 1;
            *oldest = (*oldest).min(record.started_at);
        }
        let first = match (self.batches.last(), self.unused) {
            (Some(last), _) => last.name.sequence + 1,
            (None, Some(unused)) => unused,
            // Every file that was ever made is acknowledged and gone.
            (None, None) => slots.newest_sequence() + 1,
        };
        for (sequence, (body, count, oldest)) in (first..).zip(days.into_values()) {
            let name = (self.name)(sequence);
            self.batches.push(segment::write(self.disk, self.directory, name, count, oldest, &body)?);
        }
        Ok(left.len())
    }
}

/// Finishes the charging, or the giving back, in the middle of which the process died: everything a slot notes has been done
/// afterwards. Counters only grow, so one that has reached its noted value stays as it is, and this can itself be repeated.
fn roll_forward(call: &Left, cells: &Cells, worker: u32) {
    for (charge, back) in call.charges.iter().filter(|(charge, _)| holds(cells, charge)) {
        if cells.charged(charge.cell, worker) < charge.expected {
            cells.set_charged(charge.cell, worker, charge.expected);
        }
        if back.units > 0 && cells.returned(charge.cell, worker) < back.expected {
            cells.set_returned(charge.cell, worker, back.expected);
        }
    }
}

/// Works out what an interrupted call counts for: all it charged and did not give back, or nothing.
fn complete(call: &mut Left, cells: &Cells, worker: u32) {
    if call.ended || call.charges.is_empty() {
        return;
    }
    let made =
        |charge: &Charge| holds(cells, charge) && cells.charged(charge.cell, worker) >= charge.expected;
    // One of them missing means that power was lost: its lease counts as fully spent, whatever the record says.
    if !call.charges.iter().all(|(charge, _)| made(charge)) {
        return;
    }
    let mut outcome = Outcome::INTERRUPTED;
    for (charge, back) in &call.charges {
        let kept = charge.units.saturating_sub(back.units);
        match charge.kind {
            Kind::Quota(period) => {
                outcome.flags = outcome.flags.with(Flags::charged(period));
                outcome.lease = outcome.lease.or(Some(charge.lease));
                outcome.quota_units = kept;
            }
            Kind::Spend => outcome.spend_micros = kept,
        }
    }
    patch_outcome(&mut call.record, &outcome);
}

fn holds(cells: &Cells, charge: &Charge) -> bool {
    cells.lease(charge.cell).is_some_and(|(lease, _)| lease == charge.lease)
}
