//! Batches of usage records: each is stored exactly once.
//!
//! Per stream of a gateway's run there is one row that says how far it is stored; whoever stores locks it. A batch at or
//! below that place is dropped, the following one is stored, one further on is not taken.
//!
//! Where records live in the same database as the row (SQLite), both change in one transaction. Where they live in a
//! store of their own (ClickHouse), the order is:
//!
//! 1. commit `attempted = n`, and one attempt more;
//! 2. insert batch n;
//! 3. commit `acknowledged = n`.
//!
//! A crash before 1 leaves nothing. A crash after 1 leaves `attempted` ahead of `acknowledged`, and whoever is sent the
//! batch next, however much later, has it inserted *in doubt*: the store finds out what is there and completes it. So does
//! an attempt that finds another one begun between its own 1 and 2.

use std::sync::Arc;

use common::{Code, Error, Result};
use contracts::Ctx;
use contracts::lease::{AppendBatch, Appended};
use contracts::record::{Batch, BatchName};

use super::Service;
use crate::store::batches;
use crate::store::usage::NewBatch;

const REASON: &str = "a batch holds records of many tenants";

pub(crate) async fn append(service: Arc<Service>, _ctx: Ctx, request: AppendBatch) -> Result<Appended> {
    let batch = Batch::parse(&request.bytes).map_err(damaged)?;
    let name = batch.name;
    let expected = BatchName {
        gateway: request.gateway,
        incarnation: request.incarnation,
        stream: request.stream,
        sequence: request.sequence,
    };
    if name != expected {
        return Err(damaged("the batch is called otherwise than the request says"));
    }
    let records = batch.records().map_err(damaged)?;
    let new = NewBatch { name, day: batch.day, records: &records };

    let _permit = service.appends.acquire().await.map_err(Error::internal)?;
    let mut tx = service.database.system(REASON).await?;
    let Some(position) = batches::lock(&tx, &name).await? else { return Err(busy()) };
    if name.sequence != position.acknowledged + 1 {
        // Known already, or an earlier one is missing: the answer says which one comes next.
        return Ok(Appended { acked_through: position.acknowledged });
    }
    let mut in_doubt = position.attempted >= name.sequence;
    if !service.usage.shares_transactions() {
        batches::attempt(&tx, &name, batch.day).await?;
        tx.commit().await?;
        tx = service.database.system(REASON).await?;
        let Some(now) = batches::lock(&tx, &name).await? else { return Err(busy()) };
        if name.sequence != now.acknowledged + 1 {
            // Another replica was sent the same batch and was faster.
            return Ok(Appended { acked_through: now.acknowledged });
        }
        // Another replica was faster, and failed: who knows how far it came.
        in_doubt |= now.attempts != position.attempts + 1;
    }
    service.usage.insert(&tx, &new, in_doubt).await?;
    batches::acknowledge(&tx, &name).await?;
    tx.commit().await?;
    Ok(Appended { acked_through: name.sequence })
}

/// Somebody else is storing a batch of this stream.
fn busy() -> Error {
    Error::unavailable("the stream", "a batch of it is being stored")
}

fn damaged(cause: impl std::fmt::Display) -> Error {
    Error::new(Code::Invalid, "batch_damaged", format!("the batch cannot be read: {cause}"))
}
