//! Parquet files, written a row group at a time.

use std::sync::Arc;

use ::parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::Type;
use common::{Error, Result};

use super::table::{Cell, Column, Kind};

/// A file that is being written.
pub(super) struct ParquetFile {
    writer: SerializedFileWriter<Vec<u8>>,
    kinds: Vec<Kind>,
}

fn fault(error: ParquetError) -> Error {
    Error::internal(error)
}

impl ParquetFile {
    /// A file of a table. Every column has a value in every row.
    pub(super) fn begin(table: &str, columns: &[Column]) -> Result<Self> {
        let fields = columns.iter().map(|column| field(column).map(Arc::new)).collect::<Result<Vec<_>>>()?;
        let schema = Type::group_type_builder(table).with_fields(fields).build().map_err(fault)?;
        let properties = Arc::new(WriterProperties::builder().build());
        let writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), properties).map_err(fault)?;
        Ok(Self { writer, kinds: columns.iter().map(|column| column.kind).collect() })
    }

    /// Writes a row group and answers the bytes that are ready.
    pub(super) fn rows(&mut self, rows: Vec<Vec<Cell>>) -> Result<Vec<u8>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut columns: Vec<Vec<Cell>> = self.kinds.iter().map(|_| Vec::with_capacity(rows.len())).collect();
        for row in rows {
            for (column, cell) in columns.iter_mut().zip(row) {
                column.push(cell);
            }
        }
        let mut group = self.writer.next_row_group().map_err(fault)?;
        for (kind, cells) in self.kinds.iter().zip(columns) {
            let Some(mut column) = group.next_column().map_err(fault)? else { break };
            match kind {
                Kind::Text => {
                    let values: Vec<ByteArray> = cells.into_iter().map(text).collect();
                    column.typed::<ByteArrayType>().write_batch(&values, None, None).map_err(fault)?;
                }
                Kind::Time | Kind::Integer => {
                    let values: Vec<i64> = cells.iter().map(integer).collect();
                    column.typed::<Int64Type>().write_batch(&values, None, None).map_err(fault)?;
                }
                Kind::Number => {
                    let values: Vec<f64> = cells.iter().map(number).collect();
                    column.typed::<DoubleType>().write_batch(&values, None, None).map_err(fault)?;
                }
                Kind::Flag => {
                    let values: Vec<bool> =
                        cells.iter().map(|cell| matches!(cell, Cell::Flag(true))).collect();
                    column.typed::<BoolType>().write_batch(&values, None, None).map_err(fault)?;
                }
            }
            column.close().map_err(fault)?;
        }
        group.close().map_err(fault)?;
        // The writer counts what it has written by itself, so that what is taken away shifts nothing.
        Ok(std::mem::take(self.writer.inner_mut()))
    }

    /// Ends the file and answers its last bytes.
    pub(super) fn end(self: Box<Self>) -> Result<Vec<u8>> {
        self.writer.into_inner().map_err(fault)
    }
}

fn field(column: &Column) -> Result<Type> {
    let (physical, logical) = match column.kind {
        Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Integer => (Physical::INT64, None),
        Kind::Number => (Physical::DOUBLE, None),
        Kind::Flag => (Physical::BOOLEAN, None),
    };
    let field = Type::primitive_type_builder(column.name, physical)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(logical);
    field.build().map_err(fault)
}

fn text(cell: Cell) -> ByteArray {
    match cell {
        Cell::Text(text) => text.into_bytes().into(),
        _ => ByteArray::from(Vec::new()),
    }
}

fn integer(cell: &Cell) -> i64 {
    match cell {
        Cell::Time(time) => time.timestamp_micros(),
        Cell::Integer(number) => i64::try_from(*number).unwrap_or(i64::MAX),
        _ => 0,
    }
}

const fn number(cell: &Cell) -> f64 {
    match cell {
        Cell::Number(number) => *number,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
    use ::parquet::record::RowAccessor as _;
    use chrono::DateTime;

    #[test]
    fn a_file_taken_in_parts_is_read_back_whole() {
        let columns = [
            Column { name: "time", kind: Kind::Time },
            Column { name: "path", kind: Kind::Text },
            Column { name: "units", kind: Kind::Integer },
            Column { name: "p99_ms", kind: Kind::Number },
            Column { name: "interrupted", kind: Kind::Flag },
        ];
        let row = |at: u64| {
            let time = DateTime::from_timestamp_micros(1_700_000_000_000_000 + at as i64).unwrap();
            let path = Cell::Text(format!("/pets/{at}"));
            vec![
                Cell::Time(time),
                path,
                Cell::Integer(at),
                Cell::Number(at as f64 / 2.0),
                Cell::Flag(at.is_multiple_of(2)),
            ]
        };
        let mut file = Box::new(ParquetFile::begin("requests", &columns).unwrap());
        let mut bytes = file.rows((0..3_000).map(row).collect()).unwrap();
        bytes.extend(file.rows((3_000..3_005).map(row).collect()).unwrap());
        assert!(!bytes.is_empty());
        bytes.extend(file.end().unwrap());
        let path = std::env::temp_dir().join(format!("tollgate-parquet-{}.parquet", std::process::id()));
        std::fs::write(&path, &bytes).unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 3_005);
        let last = rows.last().unwrap();
        assert_eq!(last.get_timestamp_micros(0).unwrap(), 1_700_000_000_003_004);
        assert_eq!((last.get_string(1).unwrap().as_str(), last.get_long(2).unwrap()), ("/pets/3004", 3_004));
        assert_eq!((last.get_double(3).unwrap(), last.get_bool(4).unwrap()), (1_502.0, true));
    }
}
