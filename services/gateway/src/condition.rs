//! Something that is so for a while: said in the log once when it begins and once when it ends, however often it is seen.

use std::sync::atomic::{AtomicBool, Ordering};

/// A condition, at first not so.
#[derive(Debug)]
pub(crate) struct Condition {
    holds: AtomicBool,
    begins: &'static str,
    ends: &'static str,
}

impl Condition {
    /// What the log says when it begins and when it ends.
    pub(crate) const fn new(begins: &'static str, ends: &'static str) -> Self {
        Self { holds: AtomicBool::new(false), begins, ends }
    }

    /// It is seen to hold, or not to.
    pub(crate) fn see(&self, holds: bool) {
        if self.holds.load(Ordering::Relaxed) == holds || self.holds.swap(holds, Ordering::Relaxed) == holds {
            return;
        }
        if holds {
            tracing::warn!("{}", self.begins);
        } else {
            tracing::info!("{}", self.ends);
        }
    }

    /// Whether it holds, as far as was seen.
    pub(crate) fn holds(&self) -> bool {
        self.holds.load(Ordering::Relaxed)
    }

    /// What it means that it holds.
    pub(crate) fn meaning(&self) -> &'static str {
        self.begins
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// Counts lines.
    struct Lines(Arc<AtomicUsize>);

    impl Subscriber for Lines {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn the_log_has_one_line_when_it_begins_and_one_when_it_ends() {
        let lines = Arc::new(AtomicUsize::new(0));
        let condition = Condition::new("it begins", "it ends");
        tracing::subscriber::with_default(Lines(Arc::clone(&lines)), || {
            for (holds, expected) in [(false, 0), (true, 1), (true, 1), (false, 2), (false, 2), (true, 3)] {
                condition.see(holds);
                assert_eq!((condition.holds(), lines.load(Ordering::Relaxed)), (holds, expected));
            }
        });
    }
}
