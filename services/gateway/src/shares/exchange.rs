//! The task that exchanges shares: those from which something was taken, at once, and then no more often than configured.

use std::time::{Duration, Instant};

use common::Clock;
use common::id::GatewayId;
use redis::{RedisError, RedisResult};
use tokio_util::sync::CancellationToken;

use super::Fleet;
use super::link::{Answers, Link};
use super::size::Size;
use crate::admission::{Due, Report};

/// Buckets in one round trip; each costs about 200 bytes on the way there.
const AT_ONCE: usize = 1_000;
/// Longest time in which a gateway says nothing.
const BEAT: Duration = Duration::from_secs(1);
/// Reports may be older than shares assume when the last exchange was longer ago: longer than [`BEAT`] and a pause.
const LATE_AFTER: Duration = Duration::from_secs(2);
/// Pause after the first failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Shorter than a smaller fleet takes to be believed, so that a fleet is whole again before its gateways take more.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Exchange {
    fleet: Fleet,
    gateway: GatewayId,
    clock: Clock,
    stop: CancellationToken,
    size: Size,
    began: Instant,
    /// When everything that was due had been reported.
    settled_at: Instant,
    /// Shares whose report failed.
    kept: Vec<Due>,
}

impl Exchange {
    pub(super) fn new(fleet: Fleet, gateway: GatewayId, clock: Clock, stop: CancellationToken) -> Self {
        let (began, size) = (common::clock::monotonic(), Size::alone());
        Self { fleet, gateway, clock, stop, size, began, settled_at: began, kept: Vec::new() }
    }

    /// Until the gateway stops.
    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            let connected = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                connected = Link::open(&self.fleet.redis) => connected,
            };
            let lost = match connected {
                Ok(link) => match self.serve(link).await {
                    Ok(()) => return,
                    Err(error) => {
                        pause = FIRST_PAUSE;
                        error
                    }
                },
                Err(error) => error,
            };
            self.lost(&lost);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
    }

    /// Exchanges until the gateway stops, which is the good end, or the connection is lost.
    async fn serve(&mut self, mut link: Link) -> RedisResult<()> {
        let stop = self.stop.clone();
        let pause = self.fleet.every;
        self.size.interrupted();
        loop {
            let stopping = tokio::select! {
                biased;
                () = stop.cancelled() => true,
                () = self.wait_for_due() => false,
            };
            self.settle(&mut link).await?;
            if stopping {
                return link.leave(self.gateway).await;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Waits until a share is due, or it is time to say that the gateway is there.
    async fn wait_for_due(&mut self) {
        if self.kept.is_empty()
            && let Ok(Some(due)) = tokio::time::timeout(BEAT, self.fleet.due.recv()).await
        {
            self.kept.push(due);
        }
    }

    /// Reports everything that is due.
    async fn settle(&mut self, link: &mut Link) -> RedisResult<()> {
        let late = self.settled_at.elapsed() > LATE_AFTER;
        let asked_at = common::clock::monotonic();
        // What becomes due meanwhile has its turn the next time: no share is in one round trip twice.
        let mut left = self.kept.len() + self.fleet.due.len();
        loop {
            let reports = self.collect(&mut left, late);
            let said = reports.iter().map(|(due, report)| (due.share.name(), report));
            match link.exchange(self.gateway, said).await {
                Ok(answers) => self.answered(&reports, &answers),
                Err(error) => {
                    self.keep(reports);
                    return Err(error);
                }
            }
            if left == 0 {
                self.settled_at = asked_at;
                return Ok(());
            }
        }
    }

    /// The next reports, of `left` shares that are due.
    fn collect(&mut self, left: &mut usize, late: bool) -> Vec<(Due, Report)> {
        let mut reports = Vec::new();
        while reports.len() < AT_ONCE && *left > 0 {
            *left -= 1;
            let Some(due) = self.kept.pop().or_else(|| self.fleet.due.try_recv().ok()) else { continue };
            let report = due.share.report(due.rate, self.clock.micros(), late);
            if report.tokens != 0 {
                reports.push((due, report));
            }
        }
        reports
    }

    fn keep(&mut self, reports: Vec<(Due, Report)>) {
        let unsettled = reports.into_iter().filter(|(due, report)| due.share.not_reported(report.tokens));
        self.kept.extend(unsettled.map(|(due, _)| due));
    }

    fn answered(&mut self, reports: &[(Due, Report)], answers: &Answers) {
        let gateways = self.size.counted(answers.gateways, self.began.elapsed());
        self.fleet.sharing.set_gateways(gateways);
        let now = self.clock.micros();
        for ((due, _), ahead) in reports.iter().zip(&answers.ahead) {
            due.share.reported(due.rate, *ahead, now);
        }
        self.fleet.standing.exchanged(reports.len());
        if self.fleet.standing.works() {
            tracing::info!(gateways, "throttles are shared");
        }
    }

    fn lost(&self, error: &RedisError) {
        if self.fleet.standing.failed(error.to_string()) {
            tracing::warn!(%error, "throttles are not shared, redis does not answer");
        }
    }
}
