//! What is said to Redis. Every script touches one key, so that buckets may be spread over a cluster.

use std::time::Duration;

use common::id::GatewayId;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, RedisResult, Script};

use super::{Redis, keys};
use crate::admission::{BucketName, Report};

/// Longest wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Longest wait for the answer to an exchange. With the longest time between two it stays within what shares assume.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// Silence after which a gateway does not count any more.
const PRESENT_MS: u64 = 5_000;
/// How long a full bucket is kept: longer than an answer is on its way.
const KEPT_MS: u64 = 2_000;

/// A connection that knows the scripts. After any error it is of no use any more.
pub(super) struct Link {
    connection: MultiplexedConnection,
    prefix: String,
    present: Script,
    full_at: Script,
}

/// What Redis says.
#[derive(Debug)]
pub(super) struct Answers {
    /// Gateways that are there.
    pub(super) gateways: u32,
    /// How far each bucket is from being full, in microseconds, in the order of the reports.
    pub(super) ahead: Vec<i64>,
}

impl Link {
    pub(super) async fn open(redis: &Redis) -> RedisResult<Self> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        let mut connection = redis.client.get_multiplexed_async_connection_with_config(&config).await?;
        let present = Script::new(include_str!("present.lua"));
        let full_at = Script::new(include_str!("full_at.lua"));
        for script in [&present, &full_at] {
            script.load_async(&mut connection).await?;
        }
        Ok(Self { connection, prefix: redis.prefix.clone(), present, full_at })
    }

    /// Says that `gateway` is there and what it took, in one round trip.
    pub(super) async fn exchange<'a>(
        &mut self,
        gateway: GatewayId,
        reports: impl Iterator<Item = (&'a BucketName, &'a Report)>,
    ) -> RedisResult<Answers> {
        let mut pipeline = Pipeline::new();
        run(&mut pipeline, &self.present, keys::gateways(&self.prefix))
            .arg(gateway.to_string())
            .arg(PRESENT_MS);
        for (name, report) in reports {
            run(&mut pipeline, &self.full_at, keys::bucket(&self.prefix, name))
                .arg(report.cost)
                .arg(report.believed)
                .arg(report.most)
                .arg(KEPT_MS);
        }
        let mut answers: Vec<i64> = pipeline.query_async(&mut self.connection).await?;
        let ahead = answers.split_off(1.min(answers.len()));
        let gateways = answers.first().map_or(1, |count| u32::try_from(*count).unwrap_or(1));
        Ok(Answers { gateways, ahead })
    }

    /// Takes `gateway` out of the fleet.
    pub(super) async fn leave(&mut self, gateway: GatewayId) -> RedisResult<()> {
        let mut command = redis::cmd("ZREM");
        command.arg(keys::gateways(&self.prefix)).arg(gateway.to_string());
        command.exec_async(&mut self.connection).await
    }
}

fn run<'a>(pipeline: &'a mut Pipeline, script: &Script, key: String) -> &'a mut Pipeline {
    pipeline.cmd("EVALSHA").arg(script.get_hash()).arg(1).arg(key)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;
    use testkit::TestRedis;
    use tokio::runtime::Runtime;

    use super::super::simulation::charged;
    use super::*;

    const TEN_YEARS: i64 = 315_000_000_000_000;

    fn stage(number: u64) -> BucketName {
        BucketName::Stage { api: "abcdefghij".parse().unwrap(), stage: format!("s{number}") }
    }

    async fn open(server: &TestRedis) -> Link {
        Link::open(&Redis::new(&server.url(), server.prefix()).unwrap()).await.unwrap()
    }

    async fn time(link: &mut Link) -> i64 {
        let (seconds, micros): (i64, i64) =
            redis::cmd("TIME").query_async(&mut link.connection).await.unwrap();
        seconds * 1_000_000 + micros
    }

    #[test]
    fn redis_charges_a_bucket_as_the_model_does() {
        let runtime = Runtime::new().unwrap();
        let server = TestRedis::new().unwrap();
        let link = RefCell::new(runtime.block_on(open(&server)));
        let gateway = GatewayId::new(chrono::DateTime::UNIX_EPOCH);
        let span = || prop_oneof![-10_i64..10, -1_000_000_i64..60_000_000, -TEN_YEARS..TEN_YEARS];
        let cases =
            (proptest::option::of(span()), span(), span(), prop_oneof![1_i64..5_000_000, 1..TEN_YEARS]);
        let number = Cell::new(0);
        let outcome = TestRunner::default().run(&cases, |(from_now, cost, believed, most)| {
            number.set(number.get() + 1);
            let name = stage(number.get());
            let link = &mut *link.borrow_mut();
            let report = Report { tokens: 1, cost, believed: believed.max(0), most };
            runtime.block_on(async {
                let key = keys::bucket(server.prefix(), &name);
                let before = time(link).await;
                let stored = from_now.map(|from_now| before + from_now);
                if let Some(stored) = stored {
                    let () = redis::cmd("SET")
                        .arg(&key)
                        .arg(stored)
                        .query_async(&mut link.connection)
                        .await
                        .unwrap();
                }
                let answers = link.exchange(gateway, [(&name, &report)].into_iter()).await.unwrap();
                let after = time(link).await;
                let (most, least) = (charged(stored, before, &report), charged(stored, after, &report));
                prop_assert!(
                    (least..=most).contains(&answers.ahead[0]),
                    "{} of {least}..={most}",
                    answers.ahead[0]
                );
                let kept: i64 = redis::cmd("GET").arg(&key).query_async(&mut link.connection).await.unwrap();
                prop_assert!((before + answers.ahead[0]..=after + answers.ahead[0]).contains(&kept));
                let expires: i64 =
                    redis::cmd("PTTL").arg(&key).query_async(&mut link.connection).await.unwrap();
                let full_in = answers.ahead[0] / 1000;
                prop_assert!((full_in + 1_000..=full_in + 2_001).contains(&expires), "{expires} {full_in}");
                Ok(())
            })
        });
        outcome.unwrap();
    }

    #[test]
    fn gateways_count_while_they_are_heard_of() {
        let runtime = Runtime::new().unwrap();
        let server = TestRedis::new().unwrap();
        runtime.block_on(async {
            let mut link = open(&server).await;
            let [one, other, silent] =
                [1, 2, 3].map(|number| GatewayId::from_uuid(uuid::Uuid::from_u128(number)));
            let long_ago = time(&mut link).await / 1000 - 5_001;
            let mut add = redis::cmd("ZADD");
            add.arg(keys::gateways(server.prefix())).arg(long_ago).arg(silent.to_string());
            add.exec_async(&mut link.connection).await.unwrap();
            for (gateway, count) in [(one, 1), (other, 2), (one, 2)] {
                let answers = link.exchange(gateway, std::iter::empty()).await.unwrap();
                assert_eq!((answers.gateways, answers.ahead.len()), (count, 0));
            }
            link.leave(other).await.unwrap();
            assert_eq!(link.exchange(one, std::iter::empty()).await.unwrap().gateways, 1);
        });
    }
}
