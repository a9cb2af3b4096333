//! A batch while it is written, and how it becomes immutable.
//!
//! The worker appends frames without a system call; a frame's length is stored last, so that a killed process leaves whole
//! frames only. Sealing writes the header, brings the bytes to the disk and cuts the file to its length.

use std::sync::Arc;

use contracts::record::{
    BatchName, FRAME_HEADER, Frames, HEADER_LEN, UsageRecord, day_of, frame, seal, sealed_len,
};

use super::disk::Disk;
use super::mapping::Mapping;
use super::{Error, Result};

/// An allocated file that no record is in yet.
#[derive(Debug)]
pub struct EmptySegment {
    /// What the batch will be called.
    pub name: BatchName,
    /// Its file, `directory/file`.
    pub file: String,
    map: Arc<Mapping>,
}

/// A batch that takes records.
#[derive(Debug)]
pub struct OpenSegment {
    empty: EmptySegment,
    used: usize,
    count: u32,
    day: i32,
    oldest: i64,
    opened_at: i64,
}

/// An immutable batch in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedBatch {
    /// What it is called.
    pub name: BatchName,
    /// Its file, `directory/file`.
    pub file: String,
    /// Length in bytes.
    pub len: usize,
    /// Start of its oldest call; the end of time when it has no record.
    pub oldest: i64,
}

impl EmptySegment {
    /// Makes the file.
    pub fn create(disk: &Disk, directory: &str, name: BatchName, len: usize) -> Result<Self> {
        let file = format!("{directory}/{}", file_name(&name));
        let map = disk.create(&file, len.max(HEADER_LEN + FRAME_HEADER + contracts::record::MAX_RECORD))?;
        Ok(Self { name, file, map: Arc::new(map) })
    }

    /// Its content, to be synced while a worker writes it.
    pub(super) fn mapping(&self) -> Arc<Mapping> {
        Arc::clone(&self.map)
    }

    /// Takes records of `day` from `now` on.
    pub const fn open(self, day: i32, now: i64) -> OpenSegment {
        OpenSegment { empty: self, used: HEADER_LEN, count: 0, day, oldest: i64::MAX, opened_at: now }
    }
}

impl OpenSegment {
    /// UTC day of its records.
    pub const fn day(&self) -> i32 {
        self.day
    }

    /// What it will be called.
    pub const fn name(&self) -> &BatchName {
        &self.empty.name
    }

    /// When it was begun.
    pub const fn opened_at(&self) -> i64 {
        self.opened_at
    }

    /// Start of its oldest call.
    pub const fn oldest(&self) -> i64 {
        self.oldest
    }

    /// Whether a record of this length fits in.
    #[inline]
    pub fn fits(&self, len: usize) -> bool {
        FRAME_HEADER + len <= self.empty.map.len() - self.used
    }

    /// Appends a record. `framed` has the record behind [`FRAME_HEADER`] bytes of room; it must fit.
    #[inline]
    pub fn append(&mut self, framed: &mut [u8], started_at: i64) {
        let (room, record) = framed.split_at_mut(FRAME_HEADER);
        room.copy_from_slice(&frame(record));
        self.empty.map.write(self.used + 4, &framed[4..]);
        self.empty.map.write(self.used, &framed[..4]);
        self.used += framed.len();
        self.count += 1;
        self.oldest = self.oldest.min(started_at);
    }

    /// Brings what was appended so far to the disk.
    ///
    /// # Errors
    /// The disk refused; sealing again is harmless.
    pub fn seal(&self, disk: &Disk) -> Result<SealedBatch> {
        let EmptySegment { name, file, map } = &self.empty;
        let mut body = vec![0; self.used - HEADER_LEN];
        map.read(HEADER_LEN, &mut body);
        map.write(0, &seal(name, self.day, self.oldest, self.count, &body));
        map.sync().map_err(|source| Error::Disk { action: "sync", name: file.clone(), source })?;
        // The mapping is not touched again, so that its end may be cut off under it.
        disk.truncate(file, self.used)?;
        Ok(SealedBatch { name: *name, file: file.clone(), len: self.used, oldest: self.oldest })
    }
}

/// File name of a batch; sorts by stream and sequence.
pub fn file_name(name: &BatchName) -> String {
    format!("{:04}-{:016}.batch", name.stream, name.sequence)
}

/// Stream and sequence of a batch's file name.
pub fn parse_file_name(file: &str) -> Option<(u32, u64)> {
    let (stream, sequence) = file.strip_suffix(".batch")?.split_once('-')?;
    Some((stream.parse().ok()?, sequence.parse().ok()?))
}

/// Bytes of a sealed batch, checked.
///
/// # Errors
/// `Damaged` when the file is not what was sealed.
pub fn read_whole(disk: &Disk, file: &str) -> Result<Vec<u8>> {
    let bytes = read(disk, file)?;
    let damaged = |what: String| Error::Damaged { name: file.to_owned(), what };
    let batch = contracts::record::Batch::parse(&bytes).map_err(|error| damaged(error.to_string()))?;
    batch.records().map_err(|error| damaged(error.to_string()))?;
    Ok(bytes)
}

/// Bytes of a sealed batch.
///
/// # Errors
/// The file is not a sealed batch.
pub fn read(disk: &Disk, file: &str) -> Result<Vec<u8>> {
    let mut bytes = disk.read(file)?;
    match sealed_len(&bytes) {
        Some(len) if len <= bytes.len() => bytes.truncate(len),
        _ => return Err(Error::Damaged { name: file.to_owned(), what: "not a sealed batch".to_owned() }),
    }
    Ok(bytes)
}

/// What a dead process left in a batch file.
#[derive(Debug)]
pub enum Remains {
    /// A sealed batch.
    Sealed(Vec<u8>),
    /// Whole records of an unsealed one, as the body of a batch.
    Records {
        /// The frames.
        body: Vec<u8>,
        /// How many.
        count: u32,
        /// Start of the oldest call.
        oldest: i64,
    },
    /// No record.
    Nothing,
}

/// Reads a batch file of a dead process; what is torn at its end is cut off.
pub fn remains(disk: &Disk, file: &str) -> Result<Remains> {
    let bytes = disk.read(file)?;
    if let Some(len) = sealed_len(&bytes)
        && let Some(batch) = bytes.get(..len)
        && contracts::record::Batch::parse(batch).is_ok()
    {
        return Ok(Remains::Sealed(batch.to_vec()));
    }
    let (body, count, oldest) = whole_records(&bytes);
    Ok(if count == 0 { Remains::Nothing } else { Remains::Records { body, count, oldest } })
}

/// Frames, number and oldest call of the records up to the first that cannot be read.
fn whole_records(bytes: &[u8]) -> (Vec<u8>, u32, i64) {
    let mut body = Vec::new();
    let (mut count, mut oldest, mut day) = (0, i64::MAX, None);
    for record in Frames::new(bytes.get(HEADER_LEN..).unwrap_or_default()) {
        let Ok(Ok((encoded, record))) =
            record.map(|bytes| UsageRecord::decode(bytes).map(|record| (bytes, record)))
        else {
            break;
        };
        if *day.get_or_insert(record.day()) != record.day() {
            break;
        }
        body.extend_from_slice(&frame(encoded));
        body.extend_from_slice(encoded);
        oldest = oldest.min(record.started_at);
        count += 1;
    }
    (body, count, oldest)
}

/// Puts a sealed batch that went bad on the disk aside, and the records of it that can be read in its place: its stream goes
/// on. Answers the new batch and where the old bytes are.
pub fn salvage(disk: &Disk, directory: &str, batch: &SealedBatch) -> Result<(SealedBatch, String)> {
    let bytes = disk.read(&batch.file)?;
    let aside = format!("damaged-{}", batch.file.replace('/', "-"));
    disk.put(&aside, &bytes)?;
    let (body, count, oldest) = whole_records(&bytes);
    let salvaged = write(disk, directory, batch.name, count, oldest, &body)?;
    Ok((salvaged, aside))
}

/// Writes a whole sealed batch in one step.
pub fn write(
    disk: &Disk,
    directory: &str,
    name: BatchName,
    count: u32,
    oldest: i64,
    body: &[u8],
) -> Result<SealedBatch> {
    let day = if count == 0 { 0 } else { day_of(oldest) };
    let mut bytes = seal(&name, day, oldest, count, body).to_vec();
    bytes.extend_from_slice(body);
    let file = format!("{directory}/{}", file_name(&name));
    disk.put(&file, &bytes)?;
    Ok(SealedBatch { name, file, len: bytes.len(), oldest })
}
