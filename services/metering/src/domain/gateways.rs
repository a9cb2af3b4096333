//! How a gateway stands.

use contracts::metering::GatewayState;

/// Microseconds after which a gateway that does not report is called silent. It reports twice a second.
const SILENT_AFTER: i64 = 10_000_000;

/// Whether a gateway's newest run goes on. `stopped`: it said that nothing of it is left to wait for; `run_ended`: its run gets
/// no more leases; `unseen`: microseconds since it last reported.
pub(crate) const fn state(stopped: bool, run_ended: bool, unseen: i64) -> GatewayState {
    if stopped {
        return GatewayState::Stopped;
    }
    if run_ended {
        return GatewayState::Unfinished;
    }
    if unseen >= SILENT_AFTER { GatewayState::Silent } else { GatewayState::Running }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_end_goes_before_silence() {
        assert_eq!(state(false, false, SILENT_AFTER - 1), GatewayState::Running);
        assert_eq!(state(false, false, SILENT_AFTER), GatewayState::Silent);
        assert_eq!(state(false, true, SILENT_AFTER), GatewayState::Unfinished);
        assert_eq!(state(true, true, SILENT_AFTER), GatewayState::Stopped);
    }
}
