//! The spool's own thread, as a state machine: makes files ahead of need, seals what workers hand over, ships, syncs, deletes.
//!
//! Workers reach it through their [`Port`], by channels and atomics only. Knows no network; every method may block on the disk,
//! so it must not run on a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use common::id::IncarnationId;
use contracts::lease::{AppendBatch, Appended};

use super::mapping::Mapping;
use super::recovery::Recovered;
use super::run::Run;
use super::segment::{EmptySegment, OpenSegment, SealedBatch};
use super::shipper::Shipper;
use super::{Error, Result};

/// A worker's end of the spool.
#[derive(Debug)]
pub struct Port {
    /// Its stream.
    pub worker: u32,
    ready: Receiver<EmptySegment>,
    sealed: Sender<OpenSegment>,
    shared: Arc<PortShared>,
}

#[derive(Debug)]
struct PortShared {
    ready: AtomicU32,
    backlog: AtomicU32,
    full: AtomicBool,
    low: AtomicI64,
}

impl Port {
    /// An empty file, if one is ready.
    pub(crate) fn take(&self) -> Option<EmptySegment> {
        let segment = self.ready.try_recv().ok()?;
        self.shared.ready.fetch_sub(1, Ordering::Relaxed);
        Some(segment)
    }

    /// Hands over a batch that gets no more records.
    pub(crate) fn hand_over(&self, segment: OpenSegment) {
        self.shared.backlog.fetch_add(1, Ordering::Relaxed);
        // Fails only when the spool's thread has ended; the next run finds the file.
        let _ = self.sealed.send(segment);
    }

    /// Batches of this worker that are sealed and not yet acknowledged.
    pub(crate) fn backlog(&self) -> u32 {
        self.shared.backlog.load(Ordering::Relaxed)
    }

    /// Whether the disk bound is reached.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.shared.full.load(Ordering::Relaxed)
    }

    /// Says that no call older than `low` is in flight here or in a batch not handed over.
    pub(crate) fn set_low(&self, low: i64) {
        self.shared.low.store(low, Ordering::Release);
    }
}

struct Side {
    ready: Sender<EmptySegment>,
    sealed: Receiver<OpenSegment>,
    shared: Arc<PortShared>,
    /// Sequence and content of every batch that is not sealed, oldest first.
    made: Vec<(u64, Arc<Mapping>)>,
}

/// Owner of every batch file that no worker holds.
pub struct Keeper {
    run: Arc<Run>,
    sides: Vec<Side>,
    shipper: Shipper,
    unsealed: Vec<OpenSegment>,
    /// Dead runs that are still on the disk, and whether their leases are settled.
    dead_runs: Vec<(Recovered, bool)>,
    sync_at: i64,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("shipper", &self.shipper).finish_non_exhaustive()
    }
}

impl Keeper {
    /// A keeper of `run` and of what dead runs left, and a port for each worker. `now` bounds the first watermark.
    pub fn new(run: Arc<Run>, recovered: &[Recovered], now: i64) -> Result<(Self, Vec<Port>)> {
        let mut shipper = Shipper::default();
        for run in recovered {
            shipper.add_recovered(&run.batches);
        }
        let dead_runs = recovered.iter().map(|run| (run.clone(), false)).collect();
        let (mut sides, mut ports) = (Vec::new(), Vec::new());
        for worker in 0..run.config().workers {
            let (ready, ready_here) = channel();
            let (sealed, sealed_here) = channel();
            let shared = Arc::new(PortShared {
                ready: AtomicU32::new(0),
                backlog: AtomicU32::new(0),
                full: AtomicBool::new(false),
                low: AtomicI64::new(now),
            });
            sides.push(Side { ready, sealed: sealed_here, shared: Arc::clone(&shared), made: Vec::new() });
            ports.push(Port { worker, ready: ready_here, sealed, shared });
        }
        let mut keeper = Self { run, sides, shipper, unsealed: Vec::new(), dead_runs, sync_at: 0 };
        keeper.supply()?;
        Ok((keeper, ports))
    }

    /// Whether the disk bound is reached.
    pub fn is_full(&self) -> bool {
        self.shipper.bytes() >= self.run.config().disk_bound
    }

    /// Makes files ahead of need, unless the disk bound is reached.
    pub fn supply(&mut self) -> Result<()> {
        let config = self.run.config();
        let full = self.is_full();
        for (worker, side) in self.sides.iter_mut().enumerate() {
            side.shared.full.store(full, Ordering::Relaxed);
            // Even beyond the bound one file is due: calls in flight end with records.
            let ahead = if full { 1 } else { config.segments_ahead };
            while side.shared.ready.load(Ordering::Relaxed) < ahead {
                let segment = self.run.next_segment(worker as u32)?;
                side.made.push((segment.name.sequence, segment.mapping()));
                side.shared.ready.fetch_add(1, Ordering::Relaxed);
                if side.ready.send(segment).is_err() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Does what is due at `timer`, a time that always runs, and answers the batches to send, and the first error of the disk.
    /// What failed is tried again next time; the rest goes on, for shipping is what makes room on a full disk.
    pub fn poll(&mut self, timer: i64) -> (Vec<AppendBatch>, Result<()>) {
        let mut done = self.collect().and(self.supply()).and(self.bury());
        if timer >= self.sync_at {
            let synced = self.sync();
            if synced.is_ok() {
                self.sync_at = timer + self.run.config().sync_every_us;
            }
            done = done.and(synced);
        }
        let (due, read) = self.shipper.due(self.run.disk(), timer);
        (due, done.and(read))
    }

    /// Batches that went bad on the disk since the last time this was asked: which, why, and where their bytes are. Records of them
    /// that could be read are shipped.
    pub fn take_set_aside(&mut self) -> Vec<String> {
        self.shipper.take_set_aside()
    }

    /// Brings everything that workers write to the disk. Batches come before the slots their records came from: what is
    /// written in between is lost with less than an interval, whichever page a loss of power keeps.
    fn sync(&self) -> Result<()> {
        for side in &self.sides {
            // Workers take files in order, so the last ones hold nothing yet.
            let ready = side.shared.ready.load(Ordering::Relaxed) as usize;
            let taken = side.made.len().saturating_sub(ready);
            for (sequence, content) in &side.made[..taken] {
                content.sync().map_err(|source| Error::Disk {
                    action: "sync",
                    name: format!("batch {sequence}"),
                    source,
                })?;
            }
        }
        self.run.sync()
    }

    /// Takes metering's answer to a batch.
    pub fn appended(&mut self, batch: &AppendBatch, answer: Appended) -> Result<()> {
        self.shipper.acked(self.run.disk(), batch.incarnation, batch.stream, answer.acked_through)?;
        if batch.incarnation == self.run.incarnation()
            && let Some(side) = self.sides.get(batch.stream as usize)
        {
            let backlog = self.shipper.backlog(batch.incarnation, batch.stream);
            side.shared.backlog.store(backlog as u32, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Metering has settled the leases of dead runs.
    pub fn runs_settled(&mut self, runs: &[IncarnationId]) {
        for (run, settled) in &mut self.dead_runs {
            *settled |= runs.contains(&run.incarnation);
        }
    }

    /// Removes dead runs that are shipped and settled.
    fn bury(&mut self) -> Result<()> {
        let unshipped = self.shipper.runs();
        let done = |(run, settled): &(Recovered, bool)| *settled && !unshipped.contains(&run.incarnation);
        while let Some(index) = self.dead_runs.iter().position(done) {
            self.dead_runs[index].0.remove(self.run.disk())?;
            self.dead_runs.remove(index);
        }
        Ok(())
    }

    /// No record older than this will come any more. `now` is read before the call.
    pub fn watermark(&mut self, now: i64) -> i64 {
        // A worker lowers its mark only after it handed the batch over, so the mark is read first.
        let lows = self.sides.iter().map(|side| side.shared.low.load(Ordering::Acquire)).min();
        self.take_sealed();
        let unsealed = self.unsealed.iter().map(OpenSegment::oldest).min();
        now.min(lows.unwrap_or(now)).min(unsealed.unwrap_or(now)).min(self.shipper.oldest())
    }

    /// Whether everything that was handed over is acknowledged, and no dead run is left.
    pub fn is_idle(&mut self) -> bool {
        self.take_sealed();
        self.unsealed.is_empty() && self.shipper.runs().is_empty() && self.dead_runs.is_empty()
    }

    /// Whether every worker has let go of its port: nothing is recorded or handed over any more.
    pub fn workers_ended(&mut self) -> bool {
        let mut ended = true;
        for side in &self.sides {
            ended &= loop {
                match side.sealed.try_recv() {
                    Ok(segment) => self.unsealed.push(segment),
                    Err(error) => break error == TryRecvError::Disconnected,
                }
            };
        }
        ended
    }

    /// Unacknowledged bytes on the disk.
    pub fn bytes(&self) -> u64 {
        self.shipper.bytes()
    }

    fn take_sealed(&mut self) {
        for side in &self.sides {
            self.unsealed.extend(side.sealed.try_iter());
        }
    }

    /// Seals what was handed over. A batch that the disk refuses to seal is kept, and does not hold up the others.
    fn collect(&mut self) -> Result<()> {
        self.take_sealed();
        let mut done = Ok(());
        for segment in std::mem::take(&mut self.unsealed) {
            match self.seal(&segment) {
                Ok(batch) => self.shipper.add(batch),
                Err(error) => {
                    self.unsealed.push(segment);
                    done = done.and(Err(error));
                }
            }
        }
        done
    }

    fn seal(&mut self, segment: &OpenSegment) -> Result<SealedBatch> {
        // Before the batch can be sent, the freed slots of its calls must be on the disk.
        if let Some(slots) = self.run.slots(segment.name().stream) {
            let name = "slots".to_owned();
            slots.sync().map_err(|source| Error::Disk { action: "sync", name, source })?;
        }
        let batch = segment.seal(self.run.disk())?;
        if let Some(side) = self.sides.get_mut(batch.name.stream as usize) {
            side.made.retain(|(sequence, _)| *sequence != batch.name.sequence);
        }
        Ok(batch)
    }
}
