//! Puts a gateway together and takes it apart.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_server::{Server, ServerHandle};
use actix_service::{fn_factory, fn_service};
use arc_swap::ArcSwap;
use common::id::GatewayId;
use common::{Clock, Error, Result};
use contracts::Client;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::accounting::Books;
use crate::buckets::SharedBuckets;
use crate::config::Config;
use crate::follow::Follower;
use crate::hosts::HostNames;
use crate::memory;
use crate::server::serve;
use crate::shares::{Fleet, Redis, Shares};
use crate::snapshot::{Live, Store, Writer};
use crate::spool::{Disk, RunConfig};
use crate::status::Status;
use crate::upstream::UpstreamShared;
use crate::worker::{Worker, WorkerParts};

/// How often a worker looks after its batches.
const TICK: Duration = Duration::from_millis(50);
/// How often it looks after its idle upstream connections.
const SWEEP: Duration = Duration::from_secs(5);

/// What a gateway needs from its process.
#[derive(Debug, Clone)]
pub struct Deps {
    /// Reaches `apis` and `metering`.
    pub client: Client,
    /// The time.
    pub clock: Clock,
    /// Where throttles are shared with other gateways; none where this is the only one.
    pub redis: Option<Redis>,
}

/// Sees how a gateway is, from outside its workers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Probe {
    status: Arc<Status>,
    live: Arc<ArcSwap<Live>>,
}

impl Probe {
    /// Reasons against sending calls here; none when it is ready.
    pub fn obstacles(&self) -> Vec<String> {
        self.status.obstacles()
    }

    /// Metrics in the Prometheus text format.
    pub fn metrics(&self) -> String {
        self.status.metrics(&self.live.load())
    }
}

/// A running gateway. Dropping it does not stop it; [`Handle::stop`] does.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    gateway: GatewayId,
    probe: Probe,
    server: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    drain: watch::Sender<bool>,
    followers: Vec<JoinHandle<()>>,
    store: Arc<Store>,
    books: Books,
    shares: Option<Shares>,
}

impl Handle {
    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The gateway's identity, kept across restarts.
    pub fn gateway(&self) -> GatewayId {
        self.gateway
    }

    /// How it is.
    pub fn probe(&self) -> Probe {
        self.probe.clone()
    }

    /// Takes no more requests, lets those in flight end within the drain time, and stops.
    pub async fn stop(self) -> Result<()> {
        self.probe.status.drain();
        // No receiver is left only when every worker has ended already.
        let _ = self.drain.send(true);
        self.server.stop(true).await;
        for follower in &self.followers {
            follower.abort();
        }
        let status = &self.probe.status;
        for owner in [&status.apis, &status.metering] {
            if let Some(heard) = status.heard_at(owner, Clock::System.micros()) {
                self.store.save_heard(owner.name(), heard).await;
            }
        }
        self.serving.await.map_err(Error::internal)?.map_err(Error::internal)?;
        if let Some(shares) = self.shares {
            shares.stop().await?;
        }
        self.books.close().await
    }
}

/// Starts a gateway on the current runtime. It serves at once what it has on disk.
pub async fn run(config: Config, listener: TcpListener, deps: Deps) -> Result<Handle> {
    std::fs::create_dir_all(&config.data_dir).map_err(|error| unusable(&config.data_dir, &error))?;
    let address = listener.local_addr().map_err(Error::internal)?;

    let stale_after = match config.stale_after_seconds {
        0 => Duration::MAX,
        seconds => Duration::from_secs(seconds),
    };
    let fleet = deps.redis.map(|redis| Fleet::new(redis, Duration::from_millis(config.throttle_exchange_ms)));
    let exact_wait = Duration::from_millis(config.exact_throttle_wait_ms);
    let exact = fleet.as_ref().map(|fleet| fleet.exact(exact_wait));
    let sharing = fleet.as_ref().map(Fleet::sharing).unwrap_or_default();
    let status = Arc::new(Status::new(stale_after, fleet.as_ref().map(Fleet::standing)));
    let store = Arc::new(
        Store::open(&config.data_dir.join("configuration"))
            .map_err(|error| unusable(&config.data_dir, &error))?,
    );
    let mut writer = Writer::new(sharing.clone(), config.tenant_throttles());
    let restored = store.restore(&mut writer);
    for (owner, found) in [(&status.apis, restored.apis), (&status.metering, restored.metering)] {
        if found {
            status.restored(owner, store.heard(owner.name()), Clock::System.micros());
        }
    }
    let live = writer.published();
    if live.load().sizes().1 >= memory::MANY_KEYS {
        memory::give_back();
    }
    let workers = match config.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let spool = RunConfig { workers: u32::try_from(workers).unwrap_or(u32::MAX), ..config.spool };
    let (books, ports) = Books::open(
        Disk::Files(config.data_dir.join("spool")),
        spool,
        deps.client.clone(),
        deps.clock.clone(),
        Arc::clone(&status),
        sharing.clone(),
    )?;
    let gateway = books.run.gateway();
    let watched = || status.watch("the exchange of throttle shares");
    let shares = fleet.map(|fleet| fleet.join(gateway, deps.clock.clone(), watched()));
    let follower = Follower {
        client: deps.client,
        clock: deps.clock.clone(),
        gateway,
        status: Arc::clone(&status),
        writer: Arc::new(Mutex::new(writer)),
        store: Arc::clone(&store),
        news: books.news.clone(),
    };
    let followers = vec![tokio::spawn(follower.clone().stages()), tokio::spawn(follower.access())];

    let (drain, draining) = watch::channel(false);
    let parts = WorkerParts {
        clock: deps.clock,
        limits: config.limits.clone(),
        upstream: config.upstream.clone(),
        shared: UpstreamShared::new(&config.upstream).map_err(Error::internal)?,
        hosts: Arc::new(HostNames::new(&config.host_suffixes)),
        status: Arc::clone(&status),
        live: Arc::clone(&live),
        run: Arc::clone(&books.run),
        accounts: Arc::clone(&books.accounts),
        ask: books.ask.clone(),
        unrecorded: status.unrecorded(),
        buckets: Arc::new(SharedBuckets::new(sharing)),
        lease_wait: Duration::from_millis(config.lease_wait_ms),
        exact,
        tenant_slots_percent: config.tenant_slots_percent,
        tenant_waiting_percent: config.tenant_waiting_percent,
        ports: Arc::new(Mutex::new(ports)),
    };
    let factory = move || {
        let (parts, draining) = (parts.clone(), draining.clone());
        fn_factory(move || {
            let worker = Worker::new(&parts).map(Rc::new).ok_or(());
            let service = worker.map(|worker| {
                actix_rt::spawn(watch_drain(Rc::clone(&worker), draining.clone()));
                actix_rt::spawn(tend(Rc::clone(&worker)));
                fn_service(move |io: TcpStream| {
                    let worker = Rc::clone(&worker);
                    worker.metrics.connection_opened();
                    async move {
                        serve(io, worker).await;
                        Ok::<_, ()>(())
                    }
                })
            });
            std::future::ready(service)
        })
    };
    let server = Server::build()
        .workers(workers)
        .disable_signals()
        .shutdown_timeout(config.drain_seconds)
        .listen("gateway", listener, factory)
        .map_err(Error::internal)?
        .run();
    let handle = server.handle();
    let serving = tokio::spawn(server);
    tracing::info!(%address, %gateway, workers, "gateway started");
    let probe = Probe { status, live };
    Ok(Handle { address, gateway, probe, server: handle, serving, drain, followers, store, books, shares })
}

async fn watch_drain(worker: Rc<Worker>, mut draining: watch::Receiver<bool>) {
    // An error means that the handle is gone without a stop: there is nothing to drain for.
    if draining.wait_for(|draining| *draining).await.is_ok() {
        worker.drain.begin();
    }
}

/// Does what is due on a worker beside its calls.
async fn tend(worker: Rc<Worker>) {
    let _watched = worker.status.watch("a worker's housekeeping");
    let began = common::clock::monotonic();
    let mut ticks = tokio::time::interval(TICK);
    let mut swept = Duration::ZERO;
    loop {
        ticks.tick().await;
        let now = began.elapsed();
        worker.ledger.tick(i64::try_from(now.as_micros()).unwrap_or(i64::MAX));
        if now - swept >= SWEEP {
            swept = now;
            worker.client.sweep();
            worker.buckets.sweep(worker.clock.micros());
            worker.seats.sweep();
        }
    }
}

fn unusable(data_dir: &Path, error: &std::io::Error) -> Error {
    Error::unavailable("the data directory", format!("{}: {error}", data_dir.display()))
}
