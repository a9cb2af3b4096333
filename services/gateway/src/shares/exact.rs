//! Exact throttles: every call of a plan that wants them asks the fleet's common buckets, one round trip to Redis each.
//!
//! One script takes a token from all of the plan's buckets for the call, or from none, by Redis's clock: the clocks of gateways
//! do not matter, and no time passes in which a bucket is shared out. With rate r and burst B the fleet lets through at most
//! `r * t + B` calls in any window t of that clock. Intervals are whole quarters of a microsecond, rounded up.
//!
//! Belongs to one worker: its calls share a connection and their questions are pipelined on it. While Redis is away nobody waits
//! for it: a call waits for an answer on its way, or for the first connection, and that within a bound.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use common::id::{ApiId, KeyId, UsagePlanId};
use contracts::record::ThrottleScope;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, RedisResult, Script};
use tokio::sync::Notify;

use super::{Redis, Standing, keys};
use crate::admission::{Headroom, MethodName, Rate, Throttled};

/// Questions of a worker that wait for an answer; further ones are not asked.
const MOST_ASKING: usize = 1_024;
/// Longest wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Pause after a connection could not be made; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long full buckets are kept.
const KEPT_MS: u64 = 2_000;
/// The field of a key's bucket for all methods.
const ALL_METHODS: &str = "all";

/// What one call needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub(crate) key: KeyId,
    pub(crate) plan: UsagePlanId,
    /// The key's throttle.
    pub(crate) rate: Option<Rate>,
    pub(crate) api: ApiId,
    /// The key's throttle for the method.
    pub(crate) method: Option<(MethodName, Rate)>,
}

impl Question {
    /// False where the plan throttles nothing.
    pub(crate) const fn asks_anything(&self) -> bool {
        self.rate.is_some() || self.method.is_some()
    }

    /// The buckets in the order of scopes, with their names in the hash.
    fn buckets(&self) -> impl Iterator<Item = (ThrottleScope, Rate, String)> {
        let method =
            self.method.map(|(name, rate)| (ThrottleScope::KeyMethod, rate, format!("{}:{name}", self.api)));
        let all = self.rate.map(|rate| (ThrottleScope::Key, rate, ALL_METHODS.to_owned()));
        method.into_iter().chain(all)
    }
}

/// What the common buckets say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// A token was taken from each; the tightest of them.
    Passed(Option<Headroom>),
    /// Nothing was taken.
    Throttled(Throttled),
}

/// Where exact throttles are asked, for all workers.
#[derive(Debug, Clone)]
pub(crate) struct ExactParts {
    pub(crate) redis: Redis,
    pub(crate) standing: Arc<Standing>,
    /// Longest wait for an answer.
    pub(crate) wait: Duration,
}

/// A worker's way to the common buckets.
pub(crate) struct Exact {
    parts: ExactParts,
    script: Script,
    link: RefCell<Link>,
    changed: Notify,
    asking: Cell<usize>,
}

enum Link {
    /// Nobody has asked yet.
    Unopened,
    /// The first connection is being made.
    Opening,
    Open(MultiplexedConnection, u64),
    /// Redis did not answer; a connection is being made.
    Away,
}

impl Exact {
    pub(crate) fn new(parts: ExactParts) -> Rc<Self> {
        Rc::new(Self {
            parts,
            script: Script::new(include_str!("exact.lua")),
            link: RefCell::new(Link::Unopened),
            changed: Notify::new(),
            asking: Cell::new(0),
        })
    }

    /// Asks for one call. None when nobody could be asked, or nothing was heard in time: then tokens may have been taken.
    pub(crate) async fn ask(self: &Rc<Self>, question: &Question) -> Option<Word> {
        let word = self.heard(question).await;
        self.parts.standing.exact_asked(word);
        word
    }

    async fn heard(self: &Rc<Self>, question: &Question) -> Option<Word> {
        if self.asking.get() >= MOST_ASKING {
            return None;
        }
        let _asking = Asking::begin(&self.asking);
        let number = Cell::new(None);
        let word = async {
            let (mut connection, opened) = self.connection().await?;
            number.set(Some(opened));
            Some(self.put(question, &mut connection).await)
        };
        match tokio::time::timeout(self.parts.wait, word).await {
            Ok(Some(Ok(word))) => Some(word),
            Ok(Some(Err(error))) => {
                self.lost(number.get(), &error.to_string());
                None
            }
            Ok(None) => None,
            Err(_) => {
                self.lost(number.get(), "no answer in time");
                None
            }
        }
    }

    /// The connection and its number; waits for the first one, and for none while Redis is away.
    async fn connection(self: &Rc<Self>) -> Option<(MultiplexedConnection, u64)> {
        loop {
            let changed = self.changed.notified();
            match &mut *self.link.borrow_mut() {
                Link::Open(connection, number) => return Some((connection.clone(), *number)),
                Link::Away => return None,
                Link::Opening => {}
                unopened @ Link::Unopened => {
                    *unopened = Link::Opening;
                    actix_rt::spawn(Rc::clone(self).open(0));
                }
            }
            changed.await;
        }
    }

    async fn put(&self, question: &Question, connection: &mut MultiplexedConnection) -> RedisResult<Word> {
        let key = keys::exact(&self.parts.redis.prefix, question.key, question.plan);
        let mut invocation = self.script.prepare_invoke();
        invocation.key(key).arg(KEPT_MS);
        for (_, rate, name) in question.buckets() {
            let (interval, depth) = quarters(rate);
            invocation.arg(name).arg(micros(interval)).arg(micros(depth));
        }
        let answer: Vec<i64> = invocation.invoke_async(connection).await?;
        read(question, &answer).ok_or_else(|| {
            RedisError::from((redis::ErrorKind::UnexpectedReturnType, "no answer to an exact throttle"))
        })
    }

    /// The connection with this number, or the first one to be made, is of no use.
    fn lost(self: &Rc<Self>, number: Option<u64>, fault: &str) {
        let link = &mut *self.link.borrow_mut();
        match link {
            Link::Open(_, open) if number == Some(*open) => {
                actix_rt::spawn(Rc::clone(self).open(*open + 1));
            }
            Link::Opening if number.is_none() => {}
            _ => return,
        }
        *link = Link::Away;
        self.fault(fault);
    }

    /// Makes a connection, however long it takes.
    async fn open(self: Rc<Self>, number: u64) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connect().await {
                Ok(connection) => {
                    *self.link.borrow_mut() = Link::Open(connection, number);
                    self.changed.notify_waiters();
                    if self.parts.standing.exact_works() {
                        tracing::info!("exact throttles are asked again");
                    }
                    return;
                }
                Err(error) => {
                    *self.link.borrow_mut() = Link::Away;
                    self.changed.notify_waiters();
                    self.fault(&error.to_string());
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(CONNECT_WITHIN));
        let client = &self.parts.redis.client;
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        self.script.load_async(&mut connection).await?;
        Ok(connection)
    }

    fn fault(&self, fault: &str) {
        if self.parts.standing.exact_failed(fault) {
            tracing::warn!(fault, "exact throttles cannot be asked, plans' rules for degraded mode hold");
        }
    }
}

impl std::fmt::Debug for Exact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exact").field("asking", &self.asking).finish_non_exhaustive()
    }
}

/// Counts a question while it is open.
struct Asking<'a>(&'a Cell<usize>);

impl<'a> Asking<'a> {
    fn begin(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Time between two tokens and of the whole bucket, in quarters of a microsecond: a clock in microseconds as a double is exact
/// to that. Rounded up, so that never more passes than the rate says.
fn quarters(rate: Rate) -> (i64, i64) {
    let interval = rate.interval_ns() / 250 + i64::from(rate.interval_ns() % 250 > 0);
    let burst = i64::try_from(rate.burst()).unwrap_or(i64::MAX);
    (interval, interval.saturating_mul(burst))
}

/// Quarters of a microsecond as a decimal number of microseconds.
fn micros(quarters: i64) -> String {
    format!("{}.{:02}", quarters / 4, quarters % 4 * 25)
}

fn read(question: &Question, answer: &[i64]) -> Option<Word> {
    let (place, rest) = answer.split_first()?;
    let mut buckets = question.buckets();
    if *place == 0 {
        let left = rest.iter().map(|left| u64::try_from(*left).unwrap_or(0));
        let headrooms = buckets.zip(left).map(|((scope, rate, _), left)| Headroom { scope, rate, left });
        return Some(Word::Passed(headrooms.min_by_key(|headroom| headroom.left)));
    }
    let (scope, rate, _) = buckets.nth(usize::try_from(*place - 1).ok()?)?;
    Some(Word::Throttled(Throttled { scope, rate, wait_us: *rest.first()? }))
}
