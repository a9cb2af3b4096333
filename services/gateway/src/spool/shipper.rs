//! Which batch goes next: per stream one at a time, in order, the same bytes until it is acknowledged.
//!
//! Knows no network: it is asked what to send and told what came back.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use common::id::IncarnationId;
use contracts::lease::AppendBatch;

use super::disk::Disk;
use super::segment::{self, SealedBatch};
use super::{Error, Result};

/// How long an unanswered batch waits to be sent again.
const RESEND_US: i64 = 1_000_000;

/// Sealed batches on their way.
#[derive(Debug, Default)]
pub(super) struct Shipper {
    streams: BTreeMap<(IncarnationId, u32), Stream>,
    /// Batches put aside since this was last asked, in words.
    set_aside: Vec<String>,
}

#[derive(Debug, Default)]
struct Stream {
    waiting: BTreeMap<u64, SealedBatch>,
    acked_through: u64,
    resend_at: i64,
}

impl Shipper {
    /// Takes a batch of the present run, whose streams begin at 1.
    pub(super) fn add(&mut self, batch: SealedBatch) {
        let stream = self.streams.entry((batch.name.incarnation, batch.name.stream)).or_default();
        stream.waiting.insert(batch.name.sequence, batch);
    }

    /// Takes all remaining batches of a dead run; everything before the first of a stream is acknowledged.
    pub(super) fn add_recovered(&mut self, batches: &[SealedBatch]) {
        for batch in batches {
            let stream = self.streams.entry((batch.name.incarnation, batch.name.stream)).or_default();
            if stream.waiting.is_empty() {
                stream.acked_through = batch.name.sequence - 1;
            }
            stream.waiting.insert(batch.name.sequence, batch.clone());
        }
    }

    /// Batches to send now, and the first error: a batch that cannot be read holds up its own stream only. One that went bad on
    /// the disk goes on with what can be read of it; the rest is put aside, so that it does not hold up its stream for ever.
    pub(super) fn due(&mut self, disk: &Disk, timer: i64) -> (Vec<AppendBatch>, Result<()>) {
        let (mut due, mut done) = (Vec::new(), Ok(()));
        for stream in self.streams.values_mut() {
            let Some(batch) = stream.waiting.get_mut(&(stream.acked_through + 1)) else { continue };
            if stream.resend_at > timer {
                continue;
            }
            stream.resend_at = timer + RESEND_US;
            let mut read = segment::read_whole(disk, &batch.file);
            if let Err(Error::Damaged { what, .. }) = &read {
                let directory = batch.name.incarnation.to_string();
                read = segment::salvage(disk, &directory, batch).and_then(|(salvaged, aside)| {
                    self.set_aside.push(format!("{}: {what}, its bytes are kept as {aside}", batch.file));
                    *batch = salvaged;
                    segment::read_whole(disk, &batch.file)
                });
            }
            let bytes = match read {
                Ok(bytes) => Bytes::from(bytes),
                Err(error) => {
                    done = done.and(Err(error));
                    continue;
                }
            };
            let name = batch.name;
            due.push(AppendBatch {
                gateway: name.gateway,
                incarnation: name.incarnation,
                stream: name.stream,
                sequence: name.sequence,
                bytes,
            });
        }
        (due, done)
    }

    /// Batches put aside since the last time this was asked: which, why, and where their bytes are.
    pub(super) fn take_set_aside(&mut self) -> Vec<String> {
        std::mem::take(&mut self.set_aside)
    }

    /// Metering has everything of a stream up to a sequence: those files go.
    pub(super) fn acked(
        &mut self,
        disk: &Disk,
        incarnation: IncarnationId,
        stream: u32,
        through: u64,
    ) -> Result<()> {
        let Some(stream) = self.streams.get_mut(&(incarnation, stream)) else { return Ok(()) };
        if through <= stream.acked_through {
            return Ok(());
        }
        stream.acked_through = through;
        stream.resend_at = i64::MIN;
        while let Some(entry) = stream.waiting.first_entry() {
            if *entry.key() > through {
                break;
            }
            disk.remove(&entry.get().file)?;
            entry.remove();
        }
        Ok(())
    }

    /// Unacknowledged bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.waiting().map(|batch| batch.len as u64).sum()
    }

    /// Unacknowledged batches of a stream.
    pub(super) fn backlog(&self, incarnation: IncarnationId, stream: u32) -> usize {
        self.streams.get(&(incarnation, stream)).map_or(0, |stream| stream.waiting.len())
    }

    /// Start of the oldest unacknowledged call; the end of time when there is none.
    pub(super) fn oldest(&self) -> i64 {
        self.waiting().map(|batch| batch.oldest).min().unwrap_or(i64::MAX)
    }

    /// Runs that have batches left.
    pub(super) fn runs(&self) -> BTreeSet<IncarnationId> {
        let busy = self.streams.iter().filter(|(_, stream)| !stream.waiting.is_empty());
        busy.map(|((incarnation, _), _)| *incarnation).collect()
    }

    fn waiting(&self) -> impl Iterator<Item = &SealedBatch> {
        self.streams.values().flat_map(|stream| stream.waiting.values())
    }
}
