//! What was spent of each lease of this run, per worker.
//!
//! A cell's state word is stored last when a lease moves in and first when it moves out. `charged` and `returned` only grow
//! while the lease is there, and each pair has one worker that writes it: so whether a noted charge was made can be read off
//! the counter. Spent is what was charged less what was returned.

use std::sync::Arc;

use common::id::LeaseId;
use uuid::Uuid;

use super::mapping::Mapping;

const USED: u64 = 1;
const COUNTERS: usize = 32;

/// The cells of one run.
#[derive(Debug, Clone)]
pub struct Cells {
    map: Arc<Mapping>,
    workers: usize,
}

impl Cells {
    /// File length for a number of cells.
    pub const fn file_len(cells: u32, workers: u32) -> usize {
        cells as usize * cell_len(workers as usize)
    }

    /// The cells in a mapping.
    pub fn new(map: Mapping, workers: u32) -> Self {
        Self { map: Arc::new(map), workers: workers as usize }
    }

    /// Number of cells.
    pub fn count(&self) -> u32 {
        (self.map.len() / cell_len(self.workers)) as u32
    }

    /// Moves a lease of which nothing is spent into a free cell.
    pub fn occupy(&self, cell: u32, lease: LeaseId, granted: u64) {
        let at = self.offset(cell);
        for worker in 0..self.workers {
            self.map.store(at + COUNTERS + worker * 16, 0);
            self.map.store(at + COUNTERS + worker * 16 + 8, 0);
        }
        self.map.write(at + 8, lease.uuid().as_bytes());
        self.map.store(at + 24, granted);
        self.map.store(at, USED);
    }

    /// Frees a cell whose lease is settled.
    pub fn vacate(&self, cell: u32) {
        self.map.store(self.offset(cell), 0);
    }

    /// The lease in a cell and the units it was granted.
    pub fn lease(&self, cell: u32) -> Option<(LeaseId, u64)> {
        let at = self.offset(cell);
        if cell >= self.count() || self.map.load(at) != USED {
            return None;
        }
        let mut id = [0; 16];
        self.map.read(at + 8, &mut id);
        Some((LeaseId::from_uuid(Uuid::from_bytes(id)), self.map.load(at + 24)))
    }

    /// Units a worker ever charged to the cell's lease.
    #[inline]
    pub fn charged(&self, cell: u32, worker: u32) -> u64 {
        self.map.load(self.counter(cell, worker))
    }

    /// Sets what `worker`, the caller, ever charged.
    #[inline]
    pub fn set_charged(&self, cell: u32, worker: u32, units: u64) {
        self.map.store(self.counter(cell, worker), units);
    }

    /// Units a worker ever gave back to the cell's lease.
    #[inline]
    pub fn returned(&self, cell: u32, worker: u32) -> u64 {
        self.map.load(self.counter(cell, worker) + 8)
    }

    /// Sets what `worker`, the caller, ever gave back.
    #[inline]
    pub fn set_returned(&self, cell: u32, worker: u32, units: u64) {
        self.map.store(self.counter(cell, worker) + 8, units);
    }

    /// Units spent of the cell's lease.
    pub fn spent(&self, cell: u32) -> u64 {
        let worker = |worker| self.charged(cell, worker).saturating_sub(self.returned(cell, worker));
        (0..self.workers as u32).map(worker).fold(0, u64::saturating_add)
    }

    /// Brings the cells to the disk.
    pub fn sync(&self) -> std::io::Result<()> {
        self.map.sync()
    }

    #[inline]
    const fn offset(&self, cell: u32) -> usize {
        cell as usize * cell_len(self.workers)
    }

    #[inline]
    const fn counter(&self, cell: u32, worker: u32) -> usize {
        self.offset(cell) + COUNTERS + worker as usize * 16
    }
}

/// Whole cache lines, so that two leases never share one.
const fn cell_len(workers: usize) -> usize {
    (COUNTERS + workers * 16).next_multiple_of(64)
}
