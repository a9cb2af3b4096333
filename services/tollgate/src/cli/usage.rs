//! `tollgate usage`: calls, units and latency from a shell.

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};
use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use common::Clock;
use serde_json::{Map, Value, json};

use super::{Connection, Failure, Output, client, print, say};

const USAGE: &str = "query ($from: DateTime!, $to: DateTime!, $step: UsageStep!, $groupBy: [UsageGroup!], $filter: UsageFilter) {
    usage(from: $from, to: $to, step: $step, groupBy: $groupBy, filter: $filter) {
        rows { time group requests quotaUnits billableUnits p50Ms p95Ms p99Ms bytesIn bytesOut } asOf complete } }";

pub(super) const EXAMPLES: &str = "Examples:
  tollgate usage --from 24h --step hour
  tollgate usage --from 2026-11-01 --to 2026-12-01 --step day --group-by api,status-class
  tollgate usage --from 7d --group-by key --filter stage=prod --output json
  tollgate usage --from 30d --step day --group-by key --output csv > usage.csv

Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 refused because of the input, 4 refused because of the credentials";

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Start: RFC 3339, a UTC date, or how long ago (30m, 24h, 7d)
    #[arg(long, default_value = "24h", value_name = "TIME")]
    from: String,
    /// End, exclusive, in the same forms; now by default
    #[arg(long, default_value = "0m", value_name = "TIME")]
    to: String,
    /// Width of a row
    #[arg(long, value_enum, default_value_t = Step::Total)]
    step: Step,
    /// Dimensions to group by, at most 4
    #[arg(long, value_enum, value_delimiter = ',', value_name = "DIMENSION")]
    group_by: Vec<Dimension>,
    /// Keep only calls with this value; repeat for more
    #[arg(long, value_name = "DIMENSION=VALUE", value_parser = read_filter)]
    filter: Vec<(Dimension, String)>,
    #[command(flatten)]
    connection: Connection,
}

/// Width of a row.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Step {
    Minute,
    Hour,
    Day,
    /// The whole range in one row
    Total,
}

/// One dimension of usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Dimension {
    Api,
    Stage,
    Method,
    Key,
    UsagePlan,
    Plan,
    Subscription,
    StatusClass,
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Minute => "MINUTE",
            Self::Hour => "HOUR",
            Self::Day => "DAY",
            Self::Total => "TOTAL",
        }
    }
}

impl Dimension {
    /// Name in files.
    pub(super) fn file_name(self) -> String {
        self.names().0.to_ascii_lowercase()
    }

    /// Name in the schema's enum and in its objects.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Api => ("API", "api"),
            Self::Stage => ("STAGE", "stage"),
            Self::Method => ("METHOD", "method"),
            Self::Key => ("KEY", "key"),
            Self::UsagePlan => ("USAGE_PLAN", "usagePlan"),
            Self::Plan => ("PLAN", "plan"),
            Self::Subscription => ("SUBSCRIPTION", "subscription"),
            Self::StatusClass => ("STATUS_CLASS", "statusClass"),
        }
    }
}

pub(super) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let now = Clock::System.now();
    if let Some(format) = arguments.connection.output.file() {
        let query = arguments.file_query(format, now)?;
        return client::download(&arguments.connection, "/api/export/usage", &query).await;
    }
    let variables = arguments.variables(now)?;
    let mut data = client::run(&arguments.connection, USAGE, variables).await?;
    let usage = data["usage"].take();
    match arguments.connection.output {
        Output::Json => print(&usage.to_string()),
        Output::Table => {
            print(&table(&usage, &arguments.group_by).to_string());
            let complete = if usage["complete"] == true { "complete" } else { "not complete yet" };
            say(&format!("as of {}, {complete}", usage["asOf"].as_str().unwrap_or("-")));
        }
        Output::Csv | Output::Jsonl | Output::Parquet => {}
    }
    Ok(())
}

impl Arguments {
    /// The query of a file of usage.
    fn file_query(&self, format: &str, now: DateTime<Utc>) -> Result<String, Failure> {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("format", format);
        query.append_pair("from", &time(read_time("--from", &self.from, now)?));
        query.append_pair("to", &time(read_time("--to", &self.to, now)?));
        query.append_pair("step", &self.step.name().to_ascii_lowercase());
        for dimension in &self.group_by {
            query.append_pair("group_by", &dimension.file_name());
        }
        for (dimension, value) in &self.filter {
            query.append_pair(&dimension.file_name(), value);
        }
        Ok(query.finish())
    }

    fn variables(&self, now: DateTime<Utc>) -> Result<Value, Failure> {
        let mut filter = Map::new();
        for (dimension, value) in &self.filter {
            let values = filter.entry(dimension.names().1).or_insert_with(|| json!([]));
            if let Some(values) = values.as_array_mut() {
                values.push(value.as_str().into());
            }
        }
        Ok(json!({
            "from": read_time("--from", &self.from, now)?.to_rfc3339_opts(SecondsFormat::Micros, true),
            "to": read_time("--to", &self.to, now)?.to_rfc3339_opts(SecondsFormat::Micros, true),
            "step": self.step.name(),
            "groupBy": self.group_by.iter().map(|dimension| dimension.names().0).collect::<Vec<_>>(),
            "filter": filter,
        }))
    }
}

pub(super) fn read_filter(text: &str) -> Result<(Dimension, String), String> {
    let (dimension, value) = text.split_once('=').ok_or("write DIMENSION=VALUE")?;
    Ok((Dimension::from_str(dimension, true)?, value.to_owned()))
}

/// A time as people write it.
pub(super) fn read_time(argument: &str, text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Failure> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    if let Some(midnight) = text.parse::<NaiveDate>().ok().and_then(|date| date.and_hms_opt(0, 0, 0)) {
        return Ok(midnight.and_utc());
    }
    let ago = text.split_at_checked(text.len().saturating_sub(1)).and_then(|(count, unit)| {
        let count: i64 = count.parse().ok().filter(|count| *count >= 0)?;
        match unit {
            "m" => TimeDelta::try_minutes(count),
            "h" => TimeDelta::try_hours(count),
            "d" => TimeDelta::try_days(count),
            _ => None,
        }
    });
    ago.and_then(|ago| now.checked_sub_signed(ago)).ok_or_else(|| {
        Failure::arguments(format!(
            "{argument} {text}: write RFC 3339, a date, or how long ago (30m, 24h, 7d)"
        ))
    })
}

fn table(usage: &Value, group_by: &[Dimension]) -> Table {
    const NUMBERS: [(&str, &str); 6] = [
        ("requests", "requests"),
        ("quota units", "quotaUnits"),
        ("billable units", "billableUnits"),
        ("p50 ms", "p50Ms"),
        ("p95 ms", "p95Ms"),
        ("p99 ms", "p99Ms"),
    ];
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let groups = group_by.iter().map(|dimension| dimension.names().1);
    table.set_header(["time"].into_iter().chain(groups.clone()).chain(NUMBERS.map(|(title, _)| title)));
    for row in usage["rows"].as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut cells = vec![text(&row["time"])];
        cells.extend(groups.clone().map(|name| text(&row["group"][name])));
        cells.extend(NUMBERS.map(|(_, name)| number(&row[name])));
        table.add_row(cells);
    }
    for column in table.column_iter_mut().skip(1 + group_by.len()) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn number(value: &Value) -> String {
    match (value.as_u64(), value.as_f64()) {
        (Some(whole), _) => whole.to_string(),
        (None, Some(part)) => format!("{part:.1}"),
        (None, None) => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let read = |text: &str| read_time("--from", text, now()).ok().map(|time| time.timestamp());
        assert_eq!(read("2023-11-14T22:13:20Z"), Some(1_700_000_000));
        assert_eq!(read("2023-11-15T00:13:20+02:00"), Some(1_700_000_000));
        assert_eq!(read("2023-11-14"), Some(1_699_920_000));
        assert_eq!(read("30m"), Some(1_700_000_000 - 1800));
        assert_eq!(read("7d"), Some(1_700_000_000 - 7 * 86_400));
        for wrong in
            ["", "d", "-1h", "yesterday", "1w", "99999999999999999999d", "9223372036854775807d", "1ü"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_row_shows_its_groups_in_the_order_asked_for() {
        let usage = json!({ "rows": [{
            "time": "2023-11-14T00:00:00Z", "group": { "api": "abcdefghij", "statusClass": "2xx" },
            "requests": 12, "quotaUnits": 12, "billableUnits": 11, "p50Ms": 1.25, "p95Ms": 3.0, "p99Ms": 4.0,
        }] });
        let shown = table(&usage, &[Dimension::StatusClass, Dimension::Api]).to_string();
        let (header, row) = shown.split_once('\n').unwrap();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(header)[..4], ["time", "statusClass", "api", "requests"]);
        assert_eq!(
            words(row),
            ["2023-11-14T00:00:00Z", "2xx", "abcdefghij", "12", "12", "11", "1.2", "3.0", "4.0"]
        );
    }

    #[test]
    fn filters_of_one_dimension_add_up() {
        assert_eq!(read_filter("usage-plan=upl_1").unwrap(), (Dimension::UsagePlan, "upl_1".to_owned()));
        assert!(read_filter("colour=red").is_err());
        assert!(read_filter("stage").is_err());
    }
}
