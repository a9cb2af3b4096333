//! One client connection: requests in, answers out, one after the other.
//!
//! Owns the life of a connection; what becomes of a request is the phases' business.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use actix_http::{ConnectionType, Version};
use contracts::record::Reason;
use tokio::net::TcpStream;

use super::inbound::Inbound;
use super::outbound::Outbound;
use super::scan::Malformed;
use crate::answer::Answer;
use crate::errors::Refusal;
use crate::phases::{self, Peer};
use crate::worker::Worker;

/// How long a client may go on sending after an answer that ends its connection.
const LINGER: Duration = Duration::from_secs(5);

/// What becomes of a connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It may carry another request.
    Keep,
    /// It ends after what was sent.
    Close,
    /// It is cut, because the client must not take what it has for a whole response.
    Abort,
}

/// Serves one connection to its end.
pub(crate) async fn serve(mut io: TcpStream, worker: Rc<Worker>) {
    let Ok(address) = io.peer_addr() else { return };
    let peer = Peer::new(address.ip());
    if io.set_nodelay(true).is_err() {
        return;
    }
    let response_begun = Cell::new(false);
    let (read, write) = io.split();
    let limits = &worker.limits;
    let mut inbound = Inbound::new(read, worker.http.clone(), limits, &response_begun);
    let mut outbound = Outbound::new(write, worker.http.clone(), &response_begun, limits.write_stall());

    // One for the whole connection: each request would have to enter and to leave the list of those that wait.
    let mut drained = pin!(worker.drain.requested());

    let ending = loop {
        let request = match inbound.request(drained.as_mut()).await {
            Ok(Some(request)) => request,
            Ok(None) => break Ending::Abort,
            Err(malformed) => {
                refuse(&worker, malformed, &mut outbound).await;
                break Ending::Close;
            }
        };
        let head = request.head();
        let keep_alive = head.connection_type() != ConnectionType::Close
            && !inbound.is_last()
            && !worker.drain.has_begun();
        outbound.expect_response(
            head.version >= Version::HTTP_11,
            head.method == actix_http::Method::HEAD,
            keep_alive,
        );
        match phases::run(&worker, &request, &peer, &mut inbound, &mut outbound).await {
            Ending::Keep if inbound.discard_rest().await => {
                // One request in a turn: what a client sends ahead waits behind the other connections.
                if inbound.has_more() {
                    tokio::task::yield_now().await;
                }
            }
            Ending::Keep => break Ending::Close,
            ending => break ending,
        }
    };
    match ending {
        Ending::Close => {
            outbound.shutdown().await;
            inbound.linger(LINGER).await;
        }
        Ending::Abort if outbound.ends_by_closing() => {
            drop((inbound, outbound));
            // Only a reset tells an HTTP/1.0 client that its response is not complete.
            let _ = io.set_zero_linger();
        }
        Ending::Abort | Ending::Keep => {}
    }
}

/// Answers what cannot be understood. No API is known, so no record is written.
async fn refuse(worker: &Worker, malformed: Malformed, outbound: &mut Outbound<'_>) {
    let bad = Refusal::new(Reason::BadRequest);
    let refusal = match malformed {
        Malformed::Bad => bad,
        Malformed::UriTooLong => bad.with(414, "Request-URI Too Long"),
        Malformed::HeadersTooLarge => bad.with(431, "Request Header Fields Too Large"),
        Malformed::TimedOut => Refusal::new(Reason::RequestTimeout),
    };
    worker.metrics.malformed();
    outbound.expect_response(true, false, false);
    let answer = Answer::from(refusal);
    let id = worker.new_request_id(worker.clock.micros());
    phases::respond::write_head(outbound, &answer, id, None, None);
    outbound.push(&answer.body);
    // A client that cannot take the answer is told nothing more.
    let _ = outbound.flush().await;
}
