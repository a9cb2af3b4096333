//! Keeps the gateway's promises to metering: ships records, fetches and states leases, says how far it is.
//!
//! The state machines are [`crate::spool::Keeper`] and [`crate::admission::Desk`]; here they are given the time and the network.
//! The keeper syncs files and therefore has a thread of its own; the desk runs on the control runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::id::{IncarnationId, LeaseId};
use common::{Clock, Code, Error, Result};
use contracts::lease::{
    AppendBatch, GatewayRegistered, GatewayStop, LeaseAnswers, LeaseSettle, LeaseSettled, ReportWatermark,
};
use contracts::{Client, Ctx, Role};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::admission::{Accounts, Desk, Message, Published, Purse, Sharing};
use crate::spool::recovery::{Recovered, recover};
use crate::spool::run::{boot_id, identity};
use crate::spool::{Disk, Keeper, Moment, Port, Run, RunConfig};
use crate::status::Status;

/// How often the keeper looks for work.
const KEEPER_BEAT: Duration = Duration::from_millis(20);
/// How often the desk looks for work nobody asked for.
const DESK_BEAT: Duration = Duration::from_millis(100);
/// How often the watermark is reported.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// How long the end may take until leases are stated and records shipped.
const FAREWELL: Duration = Duration::from_secs(3);

/// Messages of the desk on their way from which on it is not asked for more.
const MAX_ASKING: usize = 4;

/// News for the desk.
#[derive(Debug)]
pub(crate) enum News {
    /// Metering wants leases back.
    Recalled(Vec<LeaseId>),
    /// Metering published a change: verdicts may not hold any more.
    Changed(Published),
    /// This run was ended by an operator.
    Ended,
    /// Give everything back.
    ShutDown,
}

/// The books of one run.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) run: Arc<Run>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) ask: UnboundedSender<Arc<Purse>>,
    pub(crate) news: UnboundedSender<News>,
    desktop: Desktop,
    stop: Arc<AtomicBool>,
    desk: tokio::task::JoinHandle<bool>,
    keeper: std::thread::JoinHandle<bool>,
    _lock: Option<std::fs::File>,
}

/// What the loops share.
#[derive(Debug, Clone)]
struct Desktop {
    client: Client,
    clock: Clock,
    status: Arc<Status>,
    began: Instant,
}

impl Desktop {
    fn now(&self) -> Moment {
        let timer = i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX);
        Moment { wall: self.clock.micros(), timer }
    }

    fn ctx(&self) -> Ctx {
        Ctx::service(Role::Gateway, self.clock.now())
    }

    /// Tells metering that nothing of the run is left to wait for. Until it knows, usage is not complete beyond this moment;
    /// the next run or an operator ends that.
    async fn take_leave(&self, run: &Run) {
        let stop = GatewayStop { gateway: run.gateway(), incarnation: run.incarnation() };
        let telling = async {
            loop {
                match self.client.call(&self.ctx(), stop).await {
                    Err(error) if error.code != Code::Conflict => tokio::time::sleep(DESK_BEAT).await,
                    told => return told.map(drop),
                }
            }
        };
        match tokio::time::timeout(FAREWELL, telling).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "metering still waits for this gateway"),
            Err(_) => tracing::warn!("metering did not hear that this gateway has ended"),
        }
    }
}

impl Books {
    /// Recovers what earlier runs left, begins a run and starts the loops. Also answers a port for each worker.
    pub(crate) fn open(
        disk: Disk,
        config: RunConfig,
        client: Client,
        clock: Clock,
        status: Arc<Status>,
        sharing: Sharing,
    ) -> Result<(Self, Vec<Port>)> {
        let unusable = |error: crate::spool::Error| Error::unavailable("the spool", error);
        let lock = disk.lock().map_err(unusable)?;
        let boot_id = boot_id().map_err(unusable)?;
        let gateway = identity(&disk, common::id::GatewayId::new(clock.now())).map_err(unusable)?;
        let recovered: Vec<Recovered> = recover(&disk, &boot_id).map_err(unusable)?;
        let interrupted: usize = recovered.iter().map(|run| run.interrupted).sum();
        if interrupted > 0 {
            tracing::warn!(
                interrupted,
                "calls of a run that did not end by itself are recorded as interrupted"
            );
        }
        let incarnation = IncarnationId::new(clock.now());
        let run = Arc::new(Run::start(disk, gateway, incarnation, &boot_id, config).map_err(unusable)?);
        let accounts = Arc::new(Accounts::new(sharing));
        let (desk, ask) = Desk::new(Arc::clone(&run), Arc::clone(&accounts), &recovered);
        let (mut keeper, ports) =
            Keeper::new(Arc::clone(&run), &recovered, clock.micros()).map_err(unusable)?;
        keeper.supply().map_err(unusable)?;

        let desktop = Desktop { client, clock, status, began: common::clock::monotonic() };
        let (news, heard) = unbounded_channel();
        let (settled, settled_runs) = std::sync::mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let desk = tokio::spawn(attend(desk, desktop.clone(), heard, settled));
        let keeping = Keeping {
            keeper,
            run: Arc::clone(&run),
            desktop: desktop.clone(),
            runtime: tokio::runtime::Handle::current(),
            news: news.clone(),
            settled_runs,
            stop: Arc::clone(&stop),
            refused: BTreeMap::new(),
            reporting: Arc::default(),
        };
        let keeper = std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || keeping.run())
            .map_err(Error::internal)?;
        Ok((Self { run, accounts, ask, news, desktop, stop, desk, keeper, _lock: lock }, ports))
    }

    /// Ends the run after its workers have ended: leases go back, records are shipped, as far as metering answers in time.
    /// What is left is taken up by the next run; when nothing is, metering is told that it need not wait for this gateway.
    pub(crate) async fn close(self) -> Result<()> {
        // Fails only when the desk has ended already.
        let _ = self.news.send(News::ShutDown);
        let settled = self.desk.await.map_err(Error::internal)?;
        self.stop.store(true, Ordering::Relaxed);
        let keeper = self.keeper;
        let shipped = tokio::task::spawn_blocking(move || keeper.join())
            .await
            .map_err(Error::internal)?
            .map_err(|_| Error::internal("the spool's thread panicked"))?;
        let unusable = |error| Error::unavailable("the spool", error);
        if !(settled && shipped && self.run.is_quiet()) {
            return self.run.end_clean().map_err(unusable);
        }
        self.run.remove().map_err(unusable)?;
        self.desktop.take_leave(&self.run).await;
        Ok(())
    }
}

enum Reply {
    Registered(Result<GatewayRegistered>),
    Granted(Result<LeaseAnswers>),
    Settled(LeaseSettle, Result<LeaseSettled>),
}

impl Reply {
    const fn is_answer(&self) -> bool {
        match self {
            Self::Registered(reply) => reply.is_ok(),
            Self::Granted(reply) => reply.is_ok(),
            Self::Settled(_, reply) => reply.is_ok(),
        }
    }
}

/// The desk's loop. Answers whether no lease is left unstated.
async fn attend(
    mut desk: Desk,
    desktop: Desktop,
    mut news: UnboundedReceiver<News>,
    settled_runs: std::sync::mpsc::Sender<Vec<IncarnationId>>,
) -> bool {
    let _watched = desktop.status.watch("the desk of leases");
    let mut calls = JoinSet::new();
    let mut last_moment: Option<tokio::time::Instant> = None;
    loop {
        // The desk repeats what stays unanswered; while metering hangs, repeats must not pile up there.
        if calls.len() < MAX_ASKING {
            for message in desk.poll(desktop.now()) {
                calls.spawn(send(desktop.clone(), message));
            }
        }
        let runs = desk.take_settled_runs();
        if !runs.is_empty() {
            // Fails only when the keeper has ended.
            let _ = settled_runs.send(runs);
        }
        if let Some(last_moment) = last_moment {
            if desk.farewell().is_some() {
                break;
            }
            if tokio::time::Instant::now() >= last_moment {
                return false;
            }
        }
        tokio::select! {
            () = desk.asked(|| desktop.now()) => {}
            Some(Ok(reply)) = calls.join_next(), if !calls.is_empty() => take(&mut desk, &desktop, reply),
            Some(told) = news.recv() => match told {
                News::Recalled(leases) => desk.recalled(&leases, desktop.now()),
                News::Changed(published) => desk.published(published, desktop.now()),
                News::Ended => desk.end(),
                News::ShutDown => {
                    desk.shut_down(desktop.now());
                    last_moment = Some(tokio::time::Instant::now() + FAREWELL);
                }
            },
            () = tokio::time::sleep(DESK_BEAT) => {}
        }
        if desk.has_ended() {
            desktop.status.set_ended();
        }
    }
    match desk.farewell() {
        Some(settle) => desktop.client.call(&desktop.ctx(), settle).await.is_ok(),
        None => true,
    }
}

async fn send(desktop: Desktop, message: Message) -> Reply {
    let ctx = desktop.ctx();
    match message {
        Message::Register(call) => Reply::Registered(desktop.client.call(&ctx, call).await),
        Message::Grant(call) => Reply::Granted(desktop.client.call(&ctx, call).await),
        Message::Settle(call) => Reply::Settled(call.clone(), desktop.client.call(&ctx, call).await),
    }
}

/// Failures need no handling: the desk sends again what stays unanswered.
fn take(desk: &mut Desk, desktop: &Desktop, reply: Reply) {
    desktop.status.leases_answered(reply.is_answer());
    match reply {
        Reply::Registered(Ok(_)) => desk.registered(),
        Reply::Granted(Ok(answers)) => desk.granted(&answers, desktop.now()),
        Reply::Settled(sent, Ok(answer)) => desk.settled(&sent, &answer, desktop.now()),
        Reply::Registered(Err(error)) | Reply::Granted(Err(error)) | Reply::Settled(_, Err(error)) => {
            tracing::debug!(%error, "metering did not answer about leases");
        }
    }
}

/// The keeper's loop, on its own thread.
struct Keeping {
    keeper: Keeper,
    run: Arc<Run>,
    desktop: Desktop,
    runtime: tokio::runtime::Handle,
    news: UnboundedSender<News>,
    settled_runs: std::sync::mpsc::Receiver<Vec<IncarnationId>>,
    stop: Arc<AtomicBool>,
    /// Streams whose next batch metering refuses for good, and why.
    refused: BTreeMap<(IncarnationId, u32), String>,
    /// A report is on its way: the next one waits for its end.
    reporting: Arc<AtomicBool>,
}

impl Keeping {
    /// Answers whether everything was shipped.
    fn run(mut self) -> bool {
        let _watched = self.desktop.status.watch("the keeper of the spool");
        let (shipped, answers) = std::sync::mpsc::channel();
        // One batch per stream at a time: metering takes the next only after it.
        let mut sending: BTreeSet<(IncarnationId, u32)> = BTreeSet::new();
        let mut reported: Option<Instant> = None;
        let mut stopping: Option<Instant> = None;
        loop {
            while let Ok(runs) = self.settled_runs.try_recv() {
                self.keeper.runs_settled(&runs);
            }
            while let Ok((batch, answer)) = answers.try_recv() {
                let batch: AppendBatch = batch;
                sending.remove(&(batch.incarnation, batch.stream));
                let taken = self.appended(&batch, answer);
                self.noted(taken);
            }
            let (due, done) = self.keeper.poll(self.desktop.now().timer);
            self.noted(done);
            self.desktop.status.spool_is_full(self.keeper.is_full());
            for batch in self.keeper.take_set_aside() {
                self.desktop.status.set_aside(batch);
            }
            for batch in due {
                if !sending.insert((batch.incarnation, batch.stream)) {
                    continue;
                }
                let (desktop, shipped) = (self.desktop.clone(), shipped.clone());
                self.runtime.spawn(async move {
                    let answer = desktop.client.call(&desktop.ctx(), batch.clone()).await;
                    // Fails only when the keeper has ended.
                    let _ = shipped.send((batch, answer));
                });
            }
            if reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
                reported = Some(common::clock::monotonic());
                self.report();
                self.desktop.status.note_age();
            }
            if self.stop.load(Ordering::Relaxed) {
                let since = *stopping.get_or_insert_with(common::clock::monotonic);
                if self.keeper.workers_ended() && self.keeper.is_idle() {
                    return true;
                }
                if since.elapsed() >= FAREWELL {
                    return false;
                }
            }
            std::thread::sleep(KEEPER_BEAT);
        }
    }

    fn appended(
        &mut self,
        batch: &AppendBatch,
        answer: Result<contracts::lease::Appended>,
    ) -> crate::spool::Result<()> {
        let stream = (batch.incarnation, batch.stream);
        match answer {
            Ok(answer) => {
                if self.refused.remove(&stream).is_some() {
                    self.desktop.status.set_refused_batches(self.refused.values().cloned().collect());
                }
                self.keeper.appended(batch, answer)
            }
            Err(error) if error.code.is_retryable() => {
                tracing::debug!(%error, "metering did not take a batch");
                Ok(())
            }
            // It is sent again for ever, and everything of its stream waits behind it: somebody has to look.
            Err(error) => {
                let name =
                    format!("batch {} of stream {} of {}", batch.sequence, batch.stream, batch.incarnation);
                if self.refused.insert(stream, format!("{name}: {error}")).is_none() {
                    tracing::error!(batch = name, %error, cause = error.cause, "metering refuses a batch");
                    self.desktop.status.set_refused_batches(self.refused.values().cloned().collect());
                }
                Ok(())
            }
        }
    }

    /// A disk that fails is said where it is looked for; calls go on as far as they can.
    fn noted(&self, result: crate::spool::Result<()>) {
        match result {
            Ok(()) => self.desktop.status.spool_works(),
            Err(error) => self.desktop.status.spool_failed(&error),
        }
    }

    fn report(&mut self) {
        if self.reporting.swap(true, Ordering::AcqRel) {
            return;
        }
        let report = ReportWatermark {
            gateway: self.run.gateway(),
            incarnation: self.run.incarnation(),
            watermark: self.keeper.watermark(self.desktop.now().wall),
        };
        let (desktop, news) = (self.desktop.clone(), self.news.clone());
        let reporting = Arc::clone(&self.reporting);
        self.runtime.spawn(async move {
            let answer = desktop.client.call(&desktop.ctx(), report).await;
            reporting.store(false, Ordering::Release);
            let Ok(answer) = answer else { return };
            if !answer.recalls.is_empty() {
                // Fails only when the desk has ended.
                let _ = news.send(News::Recalled(answer.recalls));
            }
            if answer.ended {
                let _ = news.send(News::Ended);
            }
        });
    }
}
