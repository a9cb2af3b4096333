//! `tollgate ledger …`: whether the ledger adds up.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use clap::Subcommand;
use comfy_table::{Table, presets};
use common::Clock;
use contracts::ledger::{LedgerDifference, LedgerSums, VerifiedLedger, VerifyLedger};
use contracts::{Ctx, Role};
use serde_json::json;

use super::{complain, print};
use crate::config::{Config, Purpose};
use crate::{ConfigOptions, Output};

/// What `--help` says about the exit code.
const EXIT_CODES: &str = "Exit codes: 0 no difference, 1 differences, 2 wrong arguments or not verified";
/// The ledger does not add up.
const DIFFERS: u8 = 1;
/// Nothing is known about the ledger.
const UNKNOWN: u8 = 2;

/// `tollgate ledger …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Compare single records with every sum of them, and what calls took from quotas with what was settled.
    #[command(after_help = EXIT_CODES)]
    Verify {
        /// Start: RFC 3339 or a UTC date; the oldest single record by default.
        #[arg(long, value_name = "TIME", value_parser = read_time)]
        from: Option<DateTime<Utc>>,
        /// End, exclusive, in the same forms; everything there is by default.
        #[arg(long, value_name = "TIME", value_parser = read_time)]
        to: Option<DateTime<Utc>>,
        #[command(flatten)]
        config: ConfigOptions,
        /// text or json.
        #[arg(long, value_enum, default_value = "text")]
        output: Output,
    },
}

/// Runs a `tollgate ledger` command to its exit code.
pub(crate) fn run(action: &Action) -> ExitCode {
    let Action::Verify { from, to, config, output } = action;
    let shown = verify(config, *from, *to).and_then(|verified| {
        match output {
            Output::Json => print(&json(&verified).to_string())?,
            Output::Text => print(&text(&verified))?,
        }
        Ok(verified.differences.is_empty())
    });
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(DIFFERS),
        Err(error) => {
            complain(&error);
            ExitCode::from(UNKNOWN)
        }
    }
}

fn verify(
    config: &ConfigOptions,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
) -> Result<VerifiedLedger> {
    let config = Config::read(config.config.as_deref(), Purpose::Operate)?;
    let client = crate::serve::client(&config, Role::Admin)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut request = VerifyLedger { from, to, after: None };
        let mut all = VerifiedLedger::default();
        loop {
            let ctx = Ctx::service(Role::Admin, Clock::System.now());
            let part = client.call(&ctx, request.clone()).await;
            let part = part.map_err(|error| anyhow!("cannot verify the ledger: {error}"))?;
            all.checked += part.checked;
            all.differences.extend(part.differences);
            let Some(next) = part.next else { break };
            request.after = Some(next);
        }
        all.differences.sort_by_key(LedgerDifference::time);
        Ok(all)
    })
}

fn read_time(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    let midnight = text.parse::<NaiveDate>().ok().and_then(|date| date.and_hms_opt(0, 0, 0));
    midnight.map(|midnight| midnight.and_utc()).ok_or_else(|| "write RFC 3339 or a date".to_owned())
}

fn json(verified: &VerifiedLedger) -> serde_json::Value {
    json!({ "checked": verified.checked, "differences": verified.differences })
}

fn text(verified: &VerifiedLedger) -> String {
    let VerifiedLedger { checked, differences, .. } = verified;
    if differences.is_empty() {
        return format!("{checked} sums compared, no difference");
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["what", "time", "tenant", "key", "difference"]);
    for difference in differences {
        let time = difference.time().to_rfc3339_opts(SecondsFormat::AutoSi, true);
        table.add_row(match difference {
            LedgerDifference::Sums { rollup, tenant, key, records, sums, .. } => {
                [rollup.clone(), time, tenant.clone(), key.clone(), in_words(records, sums)]
            }
            LedgerDifference::Budget { tenant, budget, holder, charged, settled, .. } => [
                format!("budget per {budget}"),
                time,
                tenant.to_string(),
                holder.clone(),
                format!("{charged} units taken, {settled} settled"),
            ],
        });
    }
    format!("{table}\n{checked} sums compared, {} differences", differences.len())
}

fn in_words(records: &LedgerSums, sums: &LedgerSums) -> String {
    if records.requests != sums.requests {
        return format!("{} records, {} counted", records.requests, sums.requests);
    }
    let units = |sums: &LedgerSums| (sums.quota_units, sums.billable_units);
    if units(records) != units(sums) {
        let ((quota, billable), (counted, billed)) = (units(records), units(sums));
        return format!("{quota} and {billable} units in records, {counted} and {billed} counted");
    }
    "the same number of other calls".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(records: u64, counted: u64) -> LedgerDifference {
        let sums = |requests| LedgerSums { requests, ..LedgerSums::default() };
        LedgerDifference::Sums {
            rollup: "minute".to_owned(),
            time: "2026-11-20T10:01:00Z".parse().unwrap(),
            tenant: "ten_1".to_owned(),
            key: "key_1".to_owned(),
            api: "abcdefghij".to_owned(),
            stage: "prod".to_owned(),
            method: "GET /pets".to_owned(),
            status_class: "2xx".to_owned(),
            records: sums(records),
            sums: sums(counted),
        }
    }

    #[test]
    fn a_program_reads_how_much_was_compared_and_what_differs() {
        let none = VerifiedLedger { checked: 7, ..VerifiedLedger::default() };
        assert_eq!(json(&none), json!({ "checked": 7, "differences": [] }));
        let one = VerifiedLedger { checked: 7, differences: vec![difference(3, 4)], next: None };
        let shown = json(&one);
        let named = &shown["differences"][0];
        assert_eq!((named["kind"].as_str(), named["rollup"].as_str()), (Some("sums"), Some("minute")));
        assert_eq!(named["time"], "2026-11-20T10:01:00Z");
        assert_eq!((&named["records"]["requests"], &named["sums"]["requests"]), (&json!(3), &json!(4)));
    }

    #[test]
    fn a_person_reads_the_minute_the_key_and_the_numbers() {
        let one = VerifiedLedger { checked: 7, differences: vec![difference(3, 4)], next: None };
        let shown = text(&one);
        for part in
            ["minute", "2026-11-20T10:01:00Z", "key_1", "3 records, 4 counted", "7 sums compared, 1 diff"]
        {
            assert!(shown.contains(part), "{shown}");
        }
    }

    #[test]
    fn times_are_instants_or_dates() {
        assert_eq!(read_time("2026-11-20").unwrap().to_rfc3339(), "2026-11-20T00:00:00+00:00");
        assert_eq!(read_time("2026-11-20T01:00:00+01:00").unwrap().to_rfc3339(), "2026-11-20T00:00:00+00:00");
        assert!(read_time("yesterday").is_err());
    }
}
