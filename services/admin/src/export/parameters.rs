//! The query of an export: what to write, and how.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use common::id::RequestId;
use common::{Error, Result};
use contracts::metering::{QueryUsage, RequestFilter, UsageDimension, UsageStep};
use contracts::record::Reason;
use url::form_urlencoded;

use super::format::Format;
use super::table::dimension;

const DIMENSIONS: [UsageDimension; 8] = [
    UsageDimension::Api,
    UsageDimension::Stage,
    UsageDimension::Method,
    UsageDimension::Key,
    UsageDimension::UsagePlan,
    UsageDimension::Plan,
    UsageDimension::Subscription,
    UsageDimension::StatusClass,
];

/// Names and values; a name that occurs more than once has several.
#[derive(Debug)]
pub(super) struct Parameters(BTreeMap<String, Vec<String>>);

impl Parameters {
    pub(super) fn read(query: &str) -> Result<Self> {
        let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            parameters.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Ok(Self(parameters))
    }

    /// A query for usage; the last day where no range is named.
    pub(super) fn usage(mut self, now: DateTime<Utc>) -> Result<(Format, QueryUsage)> {
        let format = self.format()?;
        let to = self.time("to")?.unwrap_or(now);
        let from = self.time("from")?.unwrap_or(to - TimeDelta::days(1));
        let step = match self.one("step")?.as_deref() {
            None | Some("total") => UsageStep::Total,
            Some("minute") => UsageStep::Minute,
            Some("hour") => UsageStep::Hour,
            Some("day") => UsageStep::Day,
            Some(_) => return Err(Error::invalid("step", "must be minute, hour, day or total")),
        };
        let group_by = self
            .0
            .remove("group_by")
            .unwrap_or_default()
            .iter()
            .flat_map(|names| names.split(','))
            .map(|name| {
                let known = DIMENSIONS.into_iter().find(|known| dimension(*known) == name);
                known.ok_or_else(|| Error::invalid("group_by", "names no dimension of usage"))
            })
            .collect::<Result<_>>()?;
        let filter = self.dimensions();
        self.nothing_else()?;
        Ok((format, QueryUsage { from, to, step, group_by, filter }))
    }

    /// A filter of single calls.
    pub(super) fn requests(mut self, now: DateTime<Utc>) -> Result<(Format, RequestFilter)> {
        let format = self.format()?;
        let request_id = self.one("request_id")?.map(|id| id.parse::<RequestId>()).transpose();
        let request_id = request_id.map_err(|_| Error::invalid("request_id", "is no request's id"))?;
        let statuses = self.0.remove("status").unwrap_or_default();
        let statuses =
            statuses.iter().map(|status| status.parse::<u16>()).collect::<std::result::Result<Vec<_>, _>>();
        let reasons = self.0.remove("reason").unwrap_or_default();
        let reasons =
            reasons.iter().map(|reason| reason.parse::<Reason>()).collect::<std::result::Result<Vec<_>, _>>();
        let latency = self.one("min_latency_ms")?.map(|latency| latency.parse::<u32>()).transpose();
        let filter = RequestFilter {
            request_id,
            dimensions: self.dimensions(),
            statuses: statuses.map_err(|_| Error::invalid("status", "must be a number"))?,
            reasons: reasons.map_err(|_| Error::invalid("reason", "is no reason"))?,
            min_latency_ms: latency.map_err(|_| Error::invalid("min_latency_ms", "must be a number"))?,
            from: self.time("from")?,
            // Fixed, so that every part of the file has the same end.
            to: Some(self.time("to")?.unwrap_or(now)),
        };
        self.nothing_else()?;
        Ok((format, filter))
    }

    fn format(&mut self) -> Result<Format> {
        Format::parse(self.one("format")?.as_deref().unwrap_or("csv"))
    }

    fn dimensions(&mut self) -> BTreeMap<UsageDimension, Vec<String>> {
        let named = DIMENSIONS.into_iter().filter_map(|name| Some((name, self.0.remove(dimension(name))?)));
        named.collect()
    }

    fn time(&mut self, name: &str) -> Result<Option<DateTime<Utc>>> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let time = DateTime::parse_from_rfc3339(&text);
        time.map(|time| Some(time.to_utc()))
            .map_err(|_| Error::invalid(name, "must be a time as RFC 3339 has it"))
    }

    fn one(&mut self, name: &str) -> Result<Option<String>> {
        match self.0.remove(name).as_deref() {
            None => Ok(None),
            Some([one]) => Ok(Some(one.clone())),
            Some(_) => Err(Error::invalid(name, "is there more than once")),
        }
    }

    /// A misspelt condition must not make the file larger.
    fn nothing_else(&self) -> Result<()> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(Error::invalid(name.as_str(), "is no parameter of this export")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Parameters {
        Parameters::read(query).unwrap()
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    #[test]
    fn usage_is_asked_for_as_in_the_schema() {
        let query = "from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z&step=day&group_by=api,key&method=GET%20/a%2Cb&stage=x&stage=y&format=jsonl";
        let (format, ask) = read(query).usage(now()).unwrap();
        assert_eq!((format, ask.step), (Format::JsonLines, UsageStep::Day));
        assert_eq!(ask.group_by, [UsageDimension::Api, UsageDimension::Key]);
        assert_eq!(ask.filter[&UsageDimension::Method], ["GET /a,b"]);
        assert_eq!(ask.filter[&UsageDimension::Stage], ["x", "y"]);
    }

    #[test]
    fn calls_are_asked_for_as_in_the_request_log() {
        let (format, filter) =
            read("status=429&status=503&reason=throttled&min_latency_ms=5&key=").requests(now()).unwrap();
        assert_eq!((format, filter.statuses, filter.min_latency_ms), (Format::Csv, vec![429, 503], Some(5)));
        assert_eq!((filter.reasons, filter.to), (vec![Reason::Throttled], Some(now())));
        assert_eq!(filter.dimensions[&UsageDimension::Key], [""]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for query in ["step=week", "from=yesterday", "group_by=colour", "format=xls", "stages=x", "to=1&to=2"]
        {
            assert!(read(query).usage(now()).is_err(), "{query}");
        }
        for query in ["reason=tired", "status=ok", "request_id=7", "step=day"] {
            assert!(read(query).requests(now()).is_err(), "{query}");
        }
    }
}
