//! Partial updates: a field that is absent stays as it is. One that can be cleared is an option of an option, and clear
//! is `null` on the wire.

use serde::{Deserialize, Deserializer};

/// Reads a field that can be cleared; to be used with `default` and without writing what is absent.
pub(crate) fn clearable<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use common::id::UsagePlanId;

    use crate::metering::UpdateUsagePlan;

    #[test]
    fn absent_and_cleared_stay_apart_on_the_wire() {
        let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let nothing = UpdateUsagePlan::nothing(UsagePlanId::new(now));
        let clears = UpdateUsagePlan { throttle: Some(None), ..nothing.clone() };
        for sent in [nothing, clears] {
            let text = serde_json::to_string(&sent).unwrap();
            let read: UpdateUsagePlan = serde_json::from_str(&text).unwrap();
            assert_eq!((read.throttle, read.quotas), (sent.throttle, None), "{text}");
        }
    }
}
