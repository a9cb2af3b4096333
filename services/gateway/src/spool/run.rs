//! One run of the gateway process on disk: its directory, its tables, and the promise of what survives.

use common::id::{GatewayId, IncarnationId};
use contracts::record::BatchName;
use serde::{Deserialize, Serialize};

use super::cells::Cells;
use super::disk::Disk;
use super::segment::EmptySegment;
use super::slots::Slots;
use super::{Error, Result};

pub(super) const META: &str = "meta";
pub(super) const LEASES: &str = "leases";
const IDENTITY: &str = "gateway";

/// Sizes and bounds of the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// Workers; each has a stream of batches of its own.
    pub workers: u32,
    /// Calls in flight per worker; further ones are refused.
    pub slots_per_worker: u32,
    /// Leases held at once.
    pub lease_cells: u32,
    /// Largest batch in bytes. Under backlog batches grow to it: a store takes few large ones far faster than many small ones.
    pub segment_bytes: usize,
    /// Batch files kept ready per worker.
    pub segments_ahead: u32,
    /// Longest a record waits for its batch to be sealed while shipping keeps up, in microseconds.
    pub seal_after_us: i64,
    /// Longest time between two syncs, in microseconds: what a loss of power can take.
    pub sync_every_us: i64,
    /// Unshipped bytes above which calls are refused, or served unrecorded by their plan's rule.
    pub disk_bound: u64,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            workers: 1,
            slots_per_worker: 4096,
            lease_cells: 65_536,
            segment_bytes: 8 << 20,
            segments_ahead: 3,
            seal_after_us: 200_000,
            sync_every_us: 1_000_000,
            disk_bound: 2 << 30,
        }
    }
}

/// What the directory says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) gateway: GatewayId,
    pub(super) incarnation: IncarnationId,
    pub(super) boot_id: String,
    pub(super) workers: u32,
    /// The process ended by itself and synced everything: no loss of power since then can hurt.
    pub(super) clean: bool,
}

/// The present run. Shared by all threads of the gateway.
#[derive(Debug)]
pub struct Run {
    disk: Disk,
    config: RunConfig,
    meta: Meta,
    slots: Vec<Slots>,
    cells: Cells,
}

impl Run {
    /// Makes the run's directory. `boot_id` names the machine's present boot ([`boot_id`]).
    pub fn start(
        disk: Disk,
        gateway: GatewayId,
        incarnation: IncarnationId,
        boot_id: &str,
        config: RunConfig,
    ) -> Result<Self> {
        let directory = incarnation.to_string();
        disk.create_directory(&directory)?;
        let cells_len = Cells::file_len(config.lease_cells, config.workers);
        let cells = Cells::new(disk.create(&format!("{directory}/{LEASES}"), cells_len)?, config.workers);
        let mut slots = Vec::new();
        for worker in 0..config.workers {
            let len = Slots::file_len(config.slots_per_worker);
            slots.push(Slots::new(disk.create(&slots_file(&directory, worker), len)?));
        }
        let meta =
            Meta { gateway, incarnation, boot_id: boot_id.to_owned(), workers: config.workers, clean: false };
        let run = Self { disk, config, meta, slots, cells };
        // Last: a directory without it is a run that never began.
        run.put_meta(&run.meta)?;
        Ok(run)
    }

    /// The gateway.
    pub const fn gateway(&self) -> GatewayId {
        self.meta.gateway
    }

    /// This run.
    pub const fn incarnation(&self) -> IncarnationId {
        self.meta.incarnation
    }

    /// Sizes and bounds.
    pub const fn config(&self) -> &RunConfig {
        &self.config
    }

    /// Where it is.
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// What is spent of each lease.
    pub const fn cells(&self) -> &Cells {
        &self.cells
    }

    /// Calls in flight on a worker.
    pub fn slots(&self, worker: u32) -> Option<&Slots> {
        self.slots.get(worker as usize)
    }

    /// Whether no call is in flight and no ended one waits in its slot for a batch.
    pub fn is_quiet(&self) -> bool {
        self.slots.iter().all(Slots::are_free)
    }

    /// The next batch file of a worker. Called by one thread.
    pub(super) fn next_segment(&self, worker: u32) -> Result<EmptySegment> {
        let slots = self.slots.get(worker as usize).ok_or_else(|| Error::Damaged {
            name: "spool".to_owned(),
            what: format!("no worker {worker}"),
        })?;
        let sequence = slots.newest_sequence() + 1;
        let name = BatchName {
            gateway: self.meta.gateway,
            incarnation: self.meta.incarnation,
            stream: worker,
            sequence,
        };
        let segment = EmptySegment::create(&self.disk, &self.directory(), name, self.config.segment_bytes)?;
        slots.set_newest_sequence(sequence);
        Ok(segment)
    }

    /// Brings slots and leases to the disk.
    pub fn sync(&self) -> Result<()> {
        for (worker, slots) in self.slots.iter().enumerate() {
            let name = || slots_file(&self.directory(), worker as u32);
            slots.sync().map_err(|source| Error::Disk { action: "sync", name: name(), source })?;
        }
        self.cells.sync().map_err(|source| Error::Disk { action: "sync", name: LEASES.to_owned(), source })
    }

    /// Notes that the process ends by itself with everything on the disk, though not everything is shipped or settled.
    pub fn end_clean(&self) -> Result<()> {
        self.sync()?;
        self.put_meta(&Meta { clean: true, ..self.meta.clone() })
    }

    /// Removes the run: everything is shipped and settled.
    pub fn remove(&self) -> Result<()> {
        remove(&self.disk, &self.directory())
    }

    pub(super) fn directory(&self) -> String {
        self.meta.incarnation.to_string()
    }

    fn put_meta(&self, meta: &Meta) -> Result<()> {
        let bytes = serde_json::to_vec(meta)
            .map_err(|error| Error::Damaged { name: META.to_owned(), what: error.to_string() })?;
        self.disk.put(&format!("{}/{META}", self.directory()), &bytes)
    }
}

/// Removes a run's directory; the meta file goes first, so that what a crash leaves is no run any more.
pub(super) fn remove(disk: &Disk, directory: &str) -> Result<()> {
    disk.remove(&format!("{directory}/{META}"))?;
    disk.sync_directory(directory)?;
    disk.remove_directory(directory)
}

pub(super) fn slots_file(directory: &str, worker: u32) -> String {
    format!("{directory}/slots-{worker:04}")
}

/// The machine's present boot, by which a loss of power is told from the end of a process.
pub fn boot_id() -> Result<String> {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";
    let read = std::fs::read_to_string(PATH);
    let text = read.map_err(|source| Error::Disk { action: "read", name: PATH.to_owned(), source })?;
    Ok(text.trim().to_owned())
}

/// The gateway's identity, kept on its disk; `fresh` becomes it the first time.
pub fn identity(disk: &Disk, fresh: GatewayId) -> Result<GatewayId> {
    let Some(bytes) = disk.read_if_present(IDENTITY)? else {
        disk.put(IDENTITY, fresh.to_string().as_bytes())?;
        return Ok(fresh);
    };
    let text = String::from_utf8_lossy(&bytes);
    text.trim().parse().map_err(|error: common::id::InvalidId| Error::Damaged {
        name: IDENTITY.to_owned(),
        what: error.to_string(),
    })
}
