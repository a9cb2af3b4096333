//! What one worker thread owns: its upstream connections, buffers, counters and its view of the configuration.
//!
//! Nothing here is shared with another worker except through atomics that are written rarely.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::ServiceConfig;
use arc_swap::ArcSwap;
use common::Clock;
use common::id::{RequestId, TenantId};
use parking_lot::Mutex;
use rand::RngCore as _;
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use crate::admission::{Accounts, Ledger, Purse, Unrecorded};
use crate::buckets::{Buckets, SharedBuckets};
use crate::hosts::HostNames;
use crate::metrics::WorkerMetrics;
use crate::seats::Seats;
use crate::server::{Drain, Limits};
use crate::shares::{Exact, ExactParts};
use crate::snapshot::Live;
use crate::spool::{Port, Run};
use crate::status::Status;
use crate::upstream::{Client, UpstreamConfig, UpstreamShared};

/// How often a worker says that costs were capped.
const CAPPED_LOG_US: i64 = 60_000_000;
/// Room for the head of most requests.
const SCRATCH_CAPACITY: usize = 1024;
/// Buffers kept for requests to come.
const SCRATCH_KEPT: usize = 256;

/// One worker.
pub(crate) struct Worker {
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) http: ServiceConfig,
    pub(crate) drain: Drain,
    pub(crate) client: Client,
    pub(crate) ledger: Ledger,
    pub(crate) buckets: Buckets,
    pub(crate) seats: Seats,
    /// Where throttles that hold exactly are asked; none where this gateway is the only one.
    pub(crate) exact: Option<Rc<Exact>>,
    pub(crate) lease_wait: Duration,
    pub(crate) hosts: Arc<HostNames>,
    pub(crate) metrics: Arc<WorkerMetrics>,
    pub(crate) status: Arc<Status>,
    pub(crate) stall: Duration,
    live: Arc<ArcSwap<Live>>,
    /// The version last seen, so that a request costs no write to memory other workers use.
    #[expect(
        clippy::redundant_allocation,
        reason = "requests share the version without touching the Arc's counter"
    )]
    seen: RefCell<Rc<Arc<Live>>>,
    scratch: RefCell<Vec<Vec<u8>>>,
    capped_logged_at: Cell<i64>,
}

/// What every worker is made of.
#[derive(Debug, Clone)]
pub(crate) struct WorkerParts {
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) upstream: UpstreamConfig,
    pub(crate) shared: UpstreamShared,
    pub(crate) hosts: Arc<HostNames>,
    pub(crate) status: Arc<Status>,
    pub(crate) live: Arc<ArcSwap<Live>>,
    pub(crate) run: Arc<Run>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) ask: UnboundedSender<Arc<Purse>>,
    pub(crate) unrecorded: Arc<Unrecorded>,
    pub(crate) buckets: Arc<SharedBuckets>,
    pub(crate) lease_wait: Duration,
    pub(crate) exact: Option<ExactParts>,
    pub(crate) tenant_slots_percent: u32,
    pub(crate) tenant_waiting_percent: u32,
    /// One port per worker; each takes one.
    pub(crate) ports: Arc<Mutex<Vec<Port>>>,
}

impl Worker {
    /// A worker for the current thread; none when there are no more ports.
    pub(crate) fn new(parts: &WorkerParts) -> Option<Self> {
        let port = parts.ports.lock().pop()?;
        let ledger = Ledger::new(
            &parts.run,
            port,
            Arc::clone(&parts.accounts),
            parts.ask.clone(),
            Arc::clone(&parts.unrecorded),
            parts.clock.clone(),
        )?;
        Some(Self {
            ledger,
            seats: Seats::new(
                parts.run.config().slots_per_worker,
                parts.tenant_slots_percent,
                parts.tenant_waiting_percent,
            ),
            exact: parts.exact.clone().map(Exact::new),
            buckets: Buckets::new(Arc::clone(&parts.buckets)),
            lease_wait: parts.lease_wait,
            clock: parts.clock.clone(),
            limits: parts.limits.clone(),
            http: ServiceConfig::default(),
            drain: Drain::default(),
            client: Client::new(&parts.upstream, &parts.shared),
            hosts: Arc::clone(&parts.hosts),
            metrics: parts.status.add_worker(),
            status: Arc::clone(&parts.status),
            stall: Duration::from_secs(parts.upstream.stall_seconds),
            seen: RefCell::new(Rc::new(parts.live.load_full())),
            live: Arc::clone(&parts.live),
            scratch: RefCell::default(),
            capped_logged_at: Cell::new(i64::MIN / 2),
        })
    }

    /// The configuration in force; a request keeps the one it began with.
    #[expect(
        clippy::redundant_allocation,
        reason = "requests share the version without touching the Arc's counter"
    )]
    pub(crate) fn live(&self) -> Rc<Arc<Live>> {
        let mut seen = self.seen.borrow_mut();
        let current = self.live.load();
        if !Arc::ptr_eq(&current, &seen) {
            *seen = Rc::new(Arc::clone(&current));
        }
        Rc::clone(&seen)
    }

    /// An id for a request that began at `micros`.
    pub(crate) fn new_request_id(&self, micros: i64) -> RequestId {
        let mut random = [0; 10];
        rand::rng().fill_bytes(&mut random);
        let millis = u64::try_from(micros / 1_000).unwrap_or(0);
        RequestId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// An answer said that it cost more than was reserved for it: counted, and said in the log now and then.
    pub(crate) fn cost_capped(&self, tenant: TenantId) {
        self.metrics.cost_capped();
        let now = self.clock.micros();
        if now - self.capped_logged_at.get() >= CAPPED_LOG_US {
            self.capped_logged_at.set(now);
            tracing::warn!(tenant.id = %tenant, "an answer said that it cost more than its plan reserves: it counts as that");
        }
    }

    /// Lends a buffer in which the head of an upstream request is written. Each call keeps its own to its
    /// end, so there are as many as calls in flight. Give it back with [`Worker::return_scratch`].
    pub(crate) fn take_scratch(&self) -> Vec<u8> {
        self.scratch.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(SCRATCH_CAPACITY))
    }

    /// Takes the buffer back for another request, unless there are enough or it is larger than most need.
    pub(crate) fn return_scratch(&self, mut scratch: Vec<u8>) {
        let mut kept = self.scratch.borrow_mut();
        if kept.len() < SCRATCH_KEPT && scratch.capacity() <= 4 * SCRATCH_CAPACITY {
            scratch.clear();
            kept.push(scratch);
        }
    }
}

impl Drop for Worker {
    /// Hands the last records over. One that still waits for a batch file stays in its slot for the next run.
    fn drop(&mut self) {
        if !self.ledger.close() {
            tracing::warn!("records are left for the next run");
        }
    }
}

/// The id as `x-amzn-RequestId` shows it, without an allocation.
pub(crate) fn request_id_text(id: RequestId, buffer: &mut [u8; 36]) -> &[u8] {
    buffer[..4].copy_from_slice(b"req_");
    let mut digits = [0; 32];
    Uuid::simple(id.uuid()).encode_lower(&mut digits);
    buffer[4..].copy_from_slice(&digits);
    buffer
}
