//! A timer for waits that nearly always end before their deadline.
//!
//! Setting and removing a timer for each of them costs more than the wait. This one stays where it is while deadlines move on:
//! when it goes off too early it is set to the deadline then in force, once in a while instead of twice per request.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Longer waits would be beyond what instants can say.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// One wait at a time; the next may have any other deadline.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Waits for `future` for `wait`; none when that is over.
    pub(crate) async fn within<F: Future>(&mut self, wait: Duration, future: F) -> Option<F::Output> {
        self.until(Instant::now() + wait.min(LONGEST), future).await
    }

    /// Waits for `future` until `deadline`; none when it is over. What is ready at once is taken even after the deadline.
    pub(crate) async fn until<F: Future>(&mut self, deadline: Instant, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if sleep.deadline() > deadline {
                sleep.as_mut().reset(deadline);
            }
            loop {
                match sleep.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) if sleep.deadline() >= deadline => return Poll::Ready(None),
                    Poll::Ready(()) => sleep.as_mut().reset(deadline),
                }
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_wait_has_its_own_deadline_whatever_the_last_one_was() {
        let mut timer = Timer::default();
        let now = Instant::now();
        let (past, far) = (now - Duration::from_millis(1), now + Duration::from_secs(3_600));
        assert_eq!(timer.until(past, std::future::pending::<()>()).await, None);
        assert_eq!(timer.until(far, tokio::task::yield_now()).await, Some(()), "not ended by the one before");
        assert_eq!(timer.until(past, std::future::pending::<()>()).await, None, "ended though set later");
        assert_eq!(timer.within(Duration::MAX, tokio::task::yield_now()).await, Some(()));
        let soon = Instant::now() + Duration::from_millis(5);
        assert_eq!(timer.until(soon, std::future::pending::<()>()).await, None);
        assert!(Instant::now() >= soon);
        assert_eq!(timer.until(past, std::future::ready(7)).await, Some(7));
    }
}
