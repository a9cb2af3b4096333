//! `tollgate requests`: single calls from a shell.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use common::Clock;

use super::usage::{Dimension, read_filter, read_time};
use super::{Connection, Failure, client};

const EXAMPLES: &str = "Examples:
  tollgate requests export --from 24h --filter status-class=5xx --output csv > failed.csv
  tollgate requests export --from 2026-11-20 --to 2026-11-21 --filter key=key_… --output parquet > key.parquet";

/// Single calls.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write the calls that a filter means to standard output, newest first: at most 1,000,000
    #[command(after_help = EXAMPLES)]
    Export(Export),
}

/// Which calls.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Start: RFC 3339, a UTC date, or how long ago (30m, 24h, 7d)
    #[arg(long, default_value = "24h", value_name = "TIME")]
    from: String,
    /// End, exclusive, in the same forms; now by default
    #[arg(long, default_value = "0m", value_name = "TIME")]
    to: String,
    /// Keep only calls with this value, as in usage; repeat for more
    #[arg(long, value_name = "DIMENSION=VALUE", value_parser = read_filter)]
    filter: Vec<(Dimension, String)>,
    /// Keep only calls with this status; repeat for more
    #[arg(long)]
    status: Vec<u16>,
    /// Keep only calls that ended for this reason, as in x-tollgate-reason; repeat for more
    #[arg(long)]
    reason: Vec<String>,
    /// Keep only calls that took at least so many milliseconds
    #[arg(long, value_name = "MS")]
    min_latency_ms: Option<u32>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(command: Command) -> Result<(), Failure> {
    let Command::Export(export) = command;
    // What is printed as JSON elsewhere is a line per call here.
    let format = export.connection.output.file().unwrap_or("jsonl");
    let query = export.query(format, Clock::System.now())?;
    client::download(&export.connection, "/api/export/requests", &query).await
}

impl Export {
    fn query(&self, format: &str, now: DateTime<Utc>) -> Result<String, Failure> {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("format", format);
        query.append_pair("from", &time(read_time("--from", &self.from, now)?));
        query.append_pair("to", &time(read_time("--to", &self.to, now)?));
        for (dimension, value) in &self.filter {
            query.append_pair(&dimension.file_name(), value);
        }
        for status in &self.status {
            query.append_pair("status", &status.to_string());
        }
        for reason in &self.reason {
            query.append_pair("reason", reason);
        }
        if let Some(latency) = self.min_latency_ms {
            query.append_pair("min_latency_ms", &latency.to_string());
        }
        Ok(query.finish())
    }
}
