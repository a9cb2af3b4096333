//! A gateway's share of a bucket that the whole fleet has in common. Knows no store: what is exchanged goes in and out as
//! numbers.
//!
//! With G gateways the local bucket of each charges G intervals for a token, so that alone it holds 1/G of the burst and fills
//! at 1/G of the rate; it *asks* for one interval only, so that a share below one token still passes calls. Every token
//! taken is counted. An exchange reports the count, which costs the common bucket one interval each, and takes the common
//! state up in place of the local one: what others took is seen, and what this gateway took is charged once instead of G times.
//!
//! **Bound.** With rate r, burst B, and at most d from a token's taking to the answer to its report, the fleet lets through in
//! any window t at most
//!
//! ```text
//! r * (t + d) + B + (G - 1) * (B/G + 1)
//! ```
//!
//! Proof. T = 1/r, D = B * T. Let W be the state of a bucket that is charged for each call at once and refuses none:
//! `W = max(W, now) + T`. Where `W - now <= E` after each call, no window has more than `(t + E) / T` calls, as each adds T to
//! a W that began no lower than the window. So `W - now <= D + d + (G - 1) * (D/G + T)` is to be shown. Let S be the common
//! bucket and u(j) the tokens that j has not reported. A charge that comes later leaves a bucket no fuller, so
//! `W <= max(S, now) + T * sum u(j)`.
//!
//! (1) The last token of j found `base + T <= now + D`, and base had grown by G * T for each of the others since the first, at
//! most d before: `T * u(j) <= (D + d + (G - 1) * T) / G`.
//!
//! (2) Let k be the last to report, S what it was answered. If k took a token with that answer at hand, the last such found
//! `S + G * T * (u(k) - 1) + T <= now + D`, so `S + T * u(k) <= now + D`, and (1) for the other G - 1 gives the claim. If it
//! took none, look at the same tokens as if k's report had not come, which leaves W no higher. Now another one is the last to
//! report, or k again, whose tokens were taken with its answer before at hand. Going on so ends at one that took tokens with its
//! answer at hand, or at an S in the past, where (1) for all G gives the claim.
//!
//! As `W - now` is bounded, what goes beyond r * t is a constant, however long the window: calls let through too many are a debt
//! that is repaid first. While nobody exchanges (the store is down), shares alone hold: r * t + B + G - 1. A gateway
//! that is cut off alone goes on at r/G beside the others. While G changes, shares of the old and the new G overlap until every
//! gateway knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use common::id::{ApiId, KeyId, TenantId, UsagePlanId};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::throttle::{Bucket, FullAt, Rate};

/// Longest time from a token's taking to its report for which debts are repaid whole.
const LONGEST_REPORT_NS: i64 = 1_000_000_000;

/// A method's name (`{resource path}/{VERB}`) in the names of buckets: the start of its SHA-256, the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodName(pub [u8; 8]);

impl MethodName {
    /// Of the method with this name.
    pub fn of(name: &str) -> Self {
        let mut start = [0; 8];
        start.copy_from_slice(&common::secret::sha256(name.as_bytes())[..8]);
        Self(start)
    }
}

impl std::fmt::Display for MethodName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a bucket limits, the same on every gateway.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BucketName {
    /// A key in a usage plan.
    Key {
        /// The key.
        key: KeyId,
        /// The usage plan.
        plan: UsagePlanId,
    },
    /// A key in a usage plan, for one method.
    KeyMethod {
        /// The key.
        key: KeyId,
        /// The usage plan.
        plan: UsagePlanId,
        /// The method's API.
        api: ApiId,
        /// The method.
        method: MethodName,
    },
    /// All callers of one method of a stage.
    Method {
        /// The stage's API.
        api: ApiId,
        /// The stage's name.
        stage: String,
        /// The method.
        method: MethodName,
    },
    /// All callers of a stage.
    Stage {
        /// The stage's API.
        api: ApiId,
        /// Its name.
        stage: String,
    },
    /// All callers of all APIs of a tenant.
    Tenant {
        /// The tenant.
        tenant: TenantId,
    },
}

/// Makes the buckets of a gateway: its own (the default), or shares of the fleet's. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Sharing {
    hub: Option<Arc<Hub>>,
}

/// What all shares of a gateway have in common.
#[derive(Debug)]
struct Hub {
    gateways: AtomicU32,
    queue: UnboundedSender<Due>,
}

/// A share with something to report, and the rate it was last asked with.
#[derive(Debug, Clone)]
pub struct Due {
    /// The share.
    pub share: Arc<Share>,
    /// Its rate.
    pub rate: Rate,
}

impl Sharing {
    /// Shares with a fleet of one, and the queue of those with something to report. To be exchanged every 100 ms or so.
    pub fn new() -> (Self, UnboundedReceiver<Due>) {
        let (queue, due) = unbounded_channel();
        (Self { hub: Some(Arc::new(Hub { gateways: AtomicU32::new(1), queue })) }, due)
    }

    /// A full bucket.
    pub fn bucket(&self, name: impl FnOnce() -> BucketName) -> Bucket {
        match &self.hub {
            None => Bucket::default(),
            Some(hub) => Bucket::shared(Arc::new(Share {
                full_at: FullAt::default(),
                taken: AtomicI64::new(0),
                queued: AtomicBool::new(false),
                name: name(),
                hub: Arc::clone(hub),
            })),
        }
    }

    /// From now on the fleet has so many gateways.
    pub fn set_gateways(&self, count: u32) {
        if let Some(hub) = &self.hub {
            hub.gateways.store(count.max(1), Ordering::Relaxed);
        }
    }

    /// Gateways reckoned with.
    pub fn gateways(&self) -> u32 {
        self.hub.as_ref().map_or(1, |hub| hub.gateways.load(Ordering::Relaxed))
    }
}

/// A gateway's share of a common bucket.
#[derive(Debug)]
pub struct Share {
    full_at: FullAt,
    /// Tokens taken and not reported, less those given back.
    taken: AtomicI64,
    /// The exchange has been told.
    queued: AtomicBool,
    name: BucketName,
    hub: Arc<Hub>,
}

/// What a gateway says about a bucket at an exchange. Times are microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Tokens in it.
    pub tokens: i64,
    /// What they cost the common bucket; negative when more were given back than taken.
    pub cost: i64,
    /// How far from full this gateway believed the common bucket to be before; holds where the store knows nothing.
    pub believed: i64,
    /// Furthest from full that the bucket can be.
    pub most: i64,
}

impl Share {
    /// What it limits.
    pub const fn name(&self) -> &BucketName {
        &self.name
    }

    #[inline]
    pub(super) fn wait(&self, rate: Rate, now: i64) -> i64 {
        let terms = self.terms(rate);
        match self.full_at.wait(rate, terms.most, now) {
            0 => 0,
            wait => self.wait_after_report(rate, terms, wait),
        }
    }

    #[inline]
    pub(super) fn take(self: &Arc<Self>, rate: Rate, now: i64) -> Result<(), i64> {
        let terms = self.terms(rate);
        let taken = self.full_at.take(rate, terms.charge, terms.most, now);
        if let Err(wait) = taken {
            return Err(self.wait_after_report(rate, terms, wait));
        }
        self.count(1, rate);
        Ok(())
    }

    /// The wait where nobody else takes anything: the next report makes what was taken here weigh one interval a token.
    #[cold]
    fn wait_after_report(&self, rate: Rate, terms: Terms, wait: i64) -> i64 {
        let unreported = self.taken.load(Ordering::Relaxed).max(0);
        let lighter = (terms.charge - rate.times(1)).saturating_mul(unreported);
        wait.saturating_sub(lighter / 1000).max(1)
    }

    pub(super) fn give_back(self: &Arc<Self>, rate: Rate) {
        self.full_at.add(-self.terms(rate).charge);
        self.count(-1, rate);
    }

    /// Calls that would pass here at once.
    pub(super) fn tokens(&self, rate: Rate, now: i64) -> u64 {
        let terms = self.terms(rate);
        self.full_at.tokens(rate, terms.charge, terms.most, now)
    }

    pub(super) fn is_full(&self, now: i64) -> bool {
        self.full_at.ahead(now) <= 0
    }

    #[inline]
    fn count(self: &Arc<Self>, tokens: i64, rate: Rate) {
        // After a report that did not see this token, the flag is seen as the report left it: lowered.
        self.taken.fetch_add(tokens, Ordering::AcqRel);
        if self.queued.load(Ordering::Relaxed) || self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        // Fails only when the exchange has ended.
        let _ = self.hub.queue.send(Due { share: Arc::clone(self), rate });
    }

    fn terms(&self, rate: Rate) -> Terms {
        let gateways = i64::from(self.hub.gateways.load(Ordering::Relaxed));
        let charge = rate.times(gateways);
        // No lower than what the bound above leaves as debt.
        Terms { gateways, charge, most: 2 * rate.depth_ns() + charge + LONGEST_REPORT_NS }
    }

    /// Takes up what there is to report. It counts as reported unless [`Share::not_reported`].
    ///
    /// `late` says that it may be older than the bound assumes: then only what this gateway's own share has not made good
    /// since is charged, so that an hour without exchange is not a debt of an hour.
    pub fn report(&self, rate: Rate, now: i64, late: bool) -> Report {
        self.queued.store(false, Ordering::Release);
        let tokens = self.taken.swap(0, Ordering::AcqRel);
        let terms = self.terms(rate);
        let ahead = self.full_at.ahead(now);
        let mut cost = rate.times(tokens);
        if late {
            cost = cost.min(ahead.max(0) / terms.gateways);
        }
        let believed = ahead.saturating_sub(terms.charge.saturating_mul(tokens)).clamp(0, terms.most);
        Report {
            tokens,
            cost: micros(cost.min(terms.most)),
            believed: micros(believed),
            most: micros(terms.most),
        }
    }

    /// Takes up the fleet's word at `now`: the common bucket will be full in `ahead` microseconds.
    ///
    /// A token that another thread is about to count may be missed; the next exchange, which it causes, sets that right.
    pub fn reported(&self, rate: Rate, ahead: i64, now: i64) {
        let charge = self.terms(rate).charge;
        self.full_at.set(|| {
            let since = charge.saturating_mul(self.taken.load(Ordering::Acquire));
            now.saturating_add(ahead).saturating_mul(1000).saturating_add(since)
        });
    }

    /// The report was lost, or nobody knows: the tokens wait for the next. Charging them twice is the safe mistake.
    ///
    /// Answers whether the caller has to see to the next report; otherwise the share is in the queue again.
    #[must_use]
    pub fn not_reported(&self, tokens: i64) -> bool {
        self.taken.fetch_add(tokens, Ordering::AcqRel);
        !self.queued.swap(true, Ordering::AcqRel)
    }
}

/// How a local bucket is charged, in nanoseconds.
#[derive(Clone, Copy)]
struct Terms {
    gateways: i64,
    /// For one token.
    charge: i64,
    /// Furthest from full that it can be.
    most: i64,
}

/// Whole microseconds that contain a time.
fn micros(nanos: i64) -> i64 {
    nanos.div_euclid(1000) + i64::from(nanos.rem_euclid(1000) > 0)
}
