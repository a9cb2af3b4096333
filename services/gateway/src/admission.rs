//! Admission: whether a call may run now, and what it takes from its key's limits. Decided on this machine, without a lock.
//!
//! **Throttle.** A token bucket (GCRA) on one atomic per key and usage plan; in a fleet, a share of a common one ([`Share`]).
//!
//! **Quota.** Metering hands out leases of units ([`desk`]); a worker takes units from a lease by moving its gate, one packed
//! atomic of the process, which never goes above what was granted. That enforces. The truth about what was spent is in the
//! mapping, in counters that have one writer each, because the gate dies with the process.
//!
//! Why the truth is exact whichever instruction `kill -9` hits. A call is admitted in this order:
//!
//! 1. the gate takes the units (memory only);
//! 2. the call's slot notes `{cell, lease, units, charged + units}`, its state word last;
//! 3. the worker's `charged` counter in the cell becomes that value;
//! 4. the call is forwarded.
//!
//! Killed before 2, nothing happened: the slot has no charge, the counter did not move. Killed between 2 and 3, the counter is
//! below the noted value; killed after 3, it has reached it. The counter only grows and one worker writes it, so "reached"
//! stays true whatever other calls do later: recovery knows for every slot whether its units are in the counter, and gives its
//! record exactly those units. Giving back works the same way with the `returned` counter, which is why both only grow and
//! what is spent is their difference: with one counter that goes up and down, another call's return would hide a charge.
//!
//! When the call ends, its record (with the units) is appended to a batch, then the slot is freed, then the gate lets it go.
//! Killed between the first two, the same record is in the batch and in the slot; recovery compares request ids and drops the
//! slot. So the units of all records of a lease always sum up to what its cell says.
//!
//! A lease is closed by barring its gate, so that no further call gets in, and waiting until no call is in flight on it; the
//! cell's difference is then final and is stated to metering until acknowledged. What the barred gate can no longer spend is
//! stated at once as a lower ceiling, so that a long call does not hold the rest of its lease back. After a loss of power the
//! counters may be older than the calls, so the lease is not stated: metering counts it as fully spent.

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

pub use account::Accounts;
pub use call::Call;
pub use desk::{Desk, Message};
pub use ledger::{Ledger, Unrecorded};
pub use purse::{Published, Purse};
pub use share::{BucketName, Due, Report, Share, Sharing};
pub use terms::{ALL_UNITS, Admitted, Decision, Ended, Left, Opening, Refusal, Spend, Terms};
pub use throttle::{Bucket, Rate};
