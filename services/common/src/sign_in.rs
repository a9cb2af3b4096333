//! Checking people's passwords, bounded: guesses at one account, guesses from one address, and work at once.
//!
//! One for each role that has accounts. Knows neither how accounts are stored nor what a session is.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};

use crate::attempts::Attempts;
use crate::error::{Code, Error, Result};
use crate::net::block;
use crate::password::{self, Passwords};

/// The time in which attempts are counted.
const WINDOW: TimeDelta = TimeDelta::minutes(15);

/// How many attempts 15 minutes may see. IPv6 addresses count by their /64.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Failures at one account from one address.
    pub account_and_address: u32,
    /// Failures from one address, at whatever account.
    pub address: u32,
    /// Failures at one account, from wherever. Generous: a stranger can use it up.
    pub account: u32,
    /// Accounts made from one address.
    pub sign_ups: u32,
}

/// Checks passwords within limits.
#[derive(Debug)]
pub struct SignIns {
    pairs: Attempts,
    addresses: Attempts,
    accounts: Attempts,
    sign_ups: Attempts,
    passwords: Passwords,
}

/// One attempt that was counted; counted as a failure until the password turns out to be right.
#[derive(Debug)]
pub struct Attempt {
    address: String,
    account: String,
}

impl Attempt {
    fn pair(&self) -> String {
        format!("{} {}", self.address, self.account)
    }
}

impl SignIns {
    /// Takes tens of milliseconds.
    pub async fn new(limits: Limits) -> Result<Self> {
        Ok(Self {
            pairs: Attempts::new(limits.account_and_address, WINDOW),
            addresses: Attempts::new(limits.address, WINDOW),
            accounts: Attempts::new(limits.account, WINDOW),
            sign_ups: Attempts::new(limits.sign_ups, WINDOW),
            passwords: Passwords::new().await?,
        })
    }

    /// Counts an attempt to sign in to `account`, whether or not there is such an account. Fails with `rate_limited`
    /// beyond a limit.
    pub fn begin(&self, address: Option<IpAddr>, account: &str, now: DateTime<Utc>) -> Result<Attempt> {
        let attempt = Attempt { address: address_text(address), account: account.to_owned() };
        self.addresses.count(&attempt.address, now)?;
        // Before the account: one address alone must not use up what an account may see.
        self.pairs.count(&attempt.pair(), now)?;
        self.accounts.count(&attempt.account, now)?;
        Ok(attempt)
    }

    /// Checks the password. The refusal is the same for a wrong password, an account without one and no account (`hash`
    /// absent), after the same work.
    pub async fn verify(&self, attempt: Attempt, password: &str, hash: Option<&str>) -> Result<()> {
        let possible = password.chars().count() <= password::MAX_LENGTH;
        if !possible || !self.passwords.verify(password, hash).await? {
            return Err(refused());
        }
        self.pairs.clear(&attempt.pair());
        self.addresses.take_back(&attempt.address);
        self.accounts.take_back(&attempt.account);
        Ok(())
    }

    /// Counts a sign-up, then hashes its password. `scope` tells apart what is signed up to.
    pub async fn sign_up(
        &self,
        address: Option<IpAddr>,
        scope: &str,
        password: &str,
        now: DateTime<Utc>,
    ) -> Result<String> {
        self.sign_ups.count(&format!("{} {scope}", address_text(address)), now)?;
        self.passwords.hash(password).await
    }

    /// Hashes the password of somebody who is known already.
    pub async fn hash(&self, password: &str) -> Result<String> {
        self.passwords.hash(password).await
    }
}

/// The same answer whether the address or the password is wrong.
pub fn refused() -> Error {
    Error::new(Code::Unauthenticated, "sign_in_refused", "the e-mail address or the password is wrong")
}

fn address_text(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "local".to_owned(), |address| block(address).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { account_and_address: 2, address: 4, account: 5, sign_ups: 1 };

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap() + TimeDelta::minutes(minutes)
    }

    fn from(address: &str) -> Option<IpAddr> {
        Some(address.parse().unwrap())
    }

    fn limited<T: std::fmt::Debug>(outcome: Result<T>) -> bool {
        outcome.is_err_and(|error| error.code == Code::RateLimited && error.retry_after_seconds.is_some())
    }

    #[tokio::test]
    async fn one_address_cannot_try_many_accounts() {
        let sign_ins = SignIns::new(LIMITS).await.unwrap();
        for account in 0..4 {
            sign_ins.begin(from("192.0.2.1"), &account.to_string(), at(0)).unwrap();
        }
        assert!(limited(sign_ins.begin(from("192.0.2.1"), "another", at(0))));
        sign_ins.begin(from("192.0.2.2"), "another", at(0)).unwrap();
        sign_ins.begin(from("192.0.2.1"), "another", at(15)).unwrap();
    }

    #[tokio::test]
    async fn a_whole_ipv6_network_counts_as_one_address() {
        let sign_ins = SignIns::new(LIMITS).await.unwrap();
        for host in 0..4 {
            sign_ins.begin(from(&format!("2001:db8::{host}:1")), &host.to_string(), at(0)).unwrap();
        }
        assert!(limited(sign_ins.begin(from("2001:db8::ffff"), "another", at(0))));
        sign_ins.begin(from("2001:db8:0:1::1"), "another", at(0)).unwrap();
    }

    #[tokio::test]
    async fn many_addresses_cannot_try_one_account_and_one_address_cannot_lock_it() {
        let sign_ins = SignIns::new(LIMITS).await.unwrap();
        for _ in 0..10 {
            let _ = sign_ins.begin(from("192.0.2.1"), "ann", at(0));
        }
        for host in 2..5 {
            sign_ins.begin(from(&format!("192.0.2.{host}")), "ann", at(0)).unwrap();
        }
        assert!(limited(sign_ins.begin(from("192.0.2.9"), "ann", at(0))));
    }

    #[tokio::test]
    async fn success_is_not_counted_against_anybody_and_forgives_no_other_failure() {
        let sign_ins = SignIns::new(LIMITS).await.unwrap();
        let hash = sign_ins.hash("correct horse").await.unwrap();
        for _ in 0..10 {
            let attempt = sign_ins.begin(from("192.0.2.1"), "ann", at(0)).unwrap();
            sign_ins.verify(attempt, "correct horse", Some(&hash)).await.unwrap();
        }
        for account in 0..3 {
            sign_ins.begin(from("192.0.2.1"), &account.to_string(), at(0)).unwrap();
        }
        let attempt = sign_ins.begin(from("192.0.2.1"), "ann", at(0)).unwrap();
        sign_ins.verify(attempt, "correct horse", Some(&hash)).await.unwrap();
        sign_ins.begin(from("192.0.2.1"), "eve", at(0)).unwrap();
        assert!(limited(sign_ins.begin(from("192.0.2.1"), "bob", at(0))), "four failures from this address");
    }
}
