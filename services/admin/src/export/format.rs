//! Formats of files: CSV, JSON lines, Parquet.

use common::{Error, Result};
use serde_json::{Map, Value};

use super::parquet::ParquetFile;
use super::table::{Cell, Column};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    JsonLines,
    Parquet,
}

impl Format {
    pub(super) fn parse(name: &str) -> Result<Self> {
        match name {
            "csv" => Ok(Self::Csv),
            "jsonl" => Ok(Self::JsonLines),
            "parquet" => Ok(Self::Parquet),
            _ => Err(Error::invalid("format", "must be csv, jsonl or parquet")),
        }
    }

    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::JsonLines => "application/jsonl",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

/// Writes rows of one table, part by part.
pub(super) enum Encoder {
    Csv,
    JsonLines(Vec<Column>),
    Parquet(Box<ParquetFile>),
    Ended,
}

impl Encoder {
    /// An encoder and the bytes that come before all rows.
    pub(super) fn begin(format: Format, table: &str, columns: Vec<Column>) -> Result<(Self, Vec<u8>)> {
        match format {
            Format::Csv => {
                let names = columns.iter().map(|column| csv_text(column.name));
                Ok((Self::Csv, (names.collect::<Vec<_>>().join(",") + "\r\n").into_bytes()))
            }
            Format::JsonLines => Ok((Self::JsonLines(columns), Vec::new())),
            Format::Parquet => {
                Ok((Self::Parquet(Box::new(ParquetFile::begin(table, &columns)?)), Vec::new()))
            }
        }
    }

    /// One that has written everything.
    pub(super) const fn ended() -> Self {
        Self::Ended
    }

    /// The bytes of some rows.
    pub(super) fn rows(&mut self, rows: Vec<Vec<Cell>>) -> Result<Vec<u8>> {
        match self {
            Self::Csv => {
                let mut text = String::new();
                for row in &rows {
                    let cells: Vec<_> = row.iter().map(csv_cell).collect();
                    text.push_str(&cells.join(","));
                    text.push_str("\r\n");
                }
                Ok(text.into_bytes())
            }
            Self::JsonLines(columns) => {
                let mut bytes = Vec::new();
                for row in rows {
                    let fields = columns.iter().zip(row);
                    let object: Map<_, _> =
                        fields.map(|(column, cell)| (column.name.to_owned(), json_cell(cell))).collect();
                    serde_json::to_writer(&mut bytes, &object).map_err(Error::internal)?;
                    bytes.push(b'\n');
                }
                Ok(bytes)
            }
            Self::Parquet(file) => file.rows(rows),
            Self::Ended => Ok(Vec::new()),
        }
    }

    /// The bytes that come after all rows.
    pub(super) fn end(self) -> Result<Vec<u8>> {
        match self {
            Self::Parquet(file) => file.end(),
            Self::Csv | Self::JsonLines(_) | Self::Ended => Ok(Vec::new()),
        }
    }
}

fn csv_cell(cell: &Cell) -> String {
    match cell {
        Cell::Time(time) => time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        Cell::Text(text) => csv_text(text),
        Cell::Integer(number) => number.to_string(),
        Cell::Number(number) => number.to_string(),
        Cell::Flag(flag) => flag.to_string(),
    }
}

/// A text as RFC 4180 has it. One that a spreadsheet would take for a formula gets an apostrophe in front, as OWASP advises.
fn csv_text(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let guard = if is_formula { "'" } else { "" };
    if !is_formula && !text.contains(['"', ',', '\r', '\n', ';', '\t']) {
        return text.to_owned();
    }
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

fn json_cell(cell: Cell) -> Value {
    match cell {
        Cell::Time(time) => time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true).into(),
        Cell::Text(text) => text.into(),
        Cell::Integer(number) => number.into(),
        Cell::Number(number) => number.into(),
        Cell::Flag(flag) => flag.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::Kind;
    use super::*;
    use chrono::DateTime;

    const COLUMNS: [Column; 3] = [
        Column { name: "time", kind: Kind::Time },
        Column { name: "path", kind: Kind::Text },
        Column { name: "units", kind: Kind::Integer },
    ];

    fn row(path: &str) -> Vec<Cell> {
        let time = DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap();
        vec![Cell::Time(time), Cell::Text(path.to_owned()), Cell::Integer(7)]
    }

    fn file(format: Format, rows: Vec<Vec<Cell>>) -> String {
        let (mut encoder, mut bytes) = Encoder::begin(format, "requests", COLUMNS.to_vec()).unwrap();
        for row in rows {
            bytes.extend(encoder.rows(vec![row]).unwrap());
        }
        bytes.extend(encoder.end().unwrap());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn a_text_is_one_cell_whatever_is_in_it() {
        let shown = file(Format::Csv, vec![row("/pets"), row("/a,b\"c\"\n")]);
        let time = "2023-11-14T22:13:20.000001Z";
        assert_eq!(shown, format!("time,path,units\r\n{time},/pets,7\r\n{time},\"/a,b\"\"c\"\"\n\",7\r\n"));
    }

    #[test]
    fn a_spreadsheet_takes_no_text_for_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"] {
            assert_eq!(csv_text(text), format!("\"'{text}\""));
        }
        assert_eq!(csv_text("/=1"), "/=1");
    }

    #[test]
    fn each_line_is_one_object() {
        let shown = file(Format::JsonLines, vec![row("=1"), row("/b")]);
        let lines: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["path"], &lines[1]["units"]), (&Value::from("=1"), &Value::from(7)));
    }

    #[test]
    fn only_known_formats_are_written() {
        assert_eq!(Format::parse("csv").unwrap(), Format::Csv);
        assert!(Format::parse("xlsx").is_err());
    }
}
