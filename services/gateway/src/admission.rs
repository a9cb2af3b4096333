//! Admission: whether a call may run now, and what it takes from its key's limits. Decided on this machine, without a lock.
//!
//! **Throttle.** Token buckets (GCRA) on one atomic each; in a fleet, shares of common ones ([`Share`]). A call takes a token from
//! every bucket that holds for it, or from none ([`Throttles`]).
//!
//! **Budgets.** A call is charged to the quotas of its key and to the spend cap of its subscription, all of them or none. Metering
//! hands out leases of each ([`desk`]); a worker takes units from a lease by moving its gate, one packed atomic of the
//! process, which never goes above what was granted. That enforces. The truth about what was spent is in the mapping, in
//! counters that have one writer each, because the gates die with the process.
//!
//! Why the truth is exact whichever instruction `kill -9` hits. A call is admitted in this order:
//!
//! 1. gate after gate takes the units (memory only); the first that cannot has those before it let go, and nothing happened;
//! 2. the call's slot notes for every lease `{cell, lease, units, charged + units}`, its state word last;
//! 3. the worker's `charged` counter in each cell becomes that value, one after the other;
//! 4. the call is forwarded.
//!
//! Killed before the state word of 2, nothing happened: the slot has no charge, no counter moved. Killed after it, some counters
//! may have moved and others not; recovery, which is the only writer after a death, moves those that are below their noted
//! values up to them. A counter only grows and one worker writes it, so one that had moved has reached the value whatever other
//! calls did later, and one that is below it belongs to the one charge that the worker was in the middle of. After that
//! every noted charge is made, and the slot's record gets exactly those units. Recovery killed in turn does the same again.
//!
//! Giving back, all of it or a part, works the same way with the `returned` counters: the slot notes for every lease the units and
//! `returned + units`, its state word last; then the counters move; recovery finishes what is noted. That is why both
//! counters only grow and what is spent is their difference: with one counter that goes up and down, another call's
//! return would hide a charge.
//!
//! When the call ends, its record (with what stays taken) is appended to a batch, then the slot is freed, then the gates let it
//! go. Killed between the first two, the same record is in the batch and in the slot; recovery compares request ids and drops
//! the slot, whose charges and returns were complete. So the units of all records of a lease always sum up to what its cell says.
//!
//! A lease is closed by barring its gate, so that no further call gets in, and waiting until no call is in flight on it; the
//! cell's difference is then final and is stated to metering until acknowledged. What the barred gate can no longer spend is
//! stated at once as a lower ceiling, so that a long call does not hold the rest of its lease back. After a loss of power the
//! counters may be older than the calls, so nothing is finished and the lease is not stated: metering counts it as fully spent.

mod account;
mod call;
mod charges;
mod desk;
mod lease;
mod ledger;
mod purse;
mod share;
mod terms;
mod throttle;
mod throttles;

pub use account::Accounts;
pub use call::Call;
pub use desk::{Desk, Message};
pub use ledger::{Ledger, Unrecorded};
pub use purse::{Published, Purse};
pub use share::{BucketName, Due, MethodName, Report, Share, Sharing};
pub use terms::{ALL_UNITS, Admitted, Decision, Ended, Left, Opening, Refusal, Spend, Terms};
pub use throttle::{Bucket, Rate};
pub use throttles::{Headroom, Limit, Throttled, Throttles};
