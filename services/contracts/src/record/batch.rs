//! A batch: records as immutable bytes with a name, the unit that gateways ship and metering stores exactly once.
//!
//! A header of [`HEADER_LEN`] bytes, then frames (length, CRC-32, record). Every record of a batch is of the same UTC day, so
//! that a store can insert it into one partition. A name never stands for two different byte strings.

use common::id::{GatewayId, IncarnationId};
use uuid::Uuid;

use super::{CodecError, MAX_RECORD, UsageRecord};

/// Bytes before the first frame.
pub const HEADER_LEN: usize = 96;
/// Bytes before each record: its length and its CRC-32.
pub const FRAME_HEADER: usize = 8;

const MAGIC: [u8; 8] = *b"TGBATCH1";
const AT_GATEWAY: usize = 8;
const AT_INCARNATION: usize = 24;
const AT_STREAM: usize = 40;
const AT_COUNT: usize = 44;
const AT_SEQUENCE: usize = 48;
const AT_DAY: usize = 56;
const AT_BODY_LEN: usize = 60;
const AT_OLDEST: usize = 64;
const AT_BODY_CRC: usize = 72;
const AT_HEADER_CRC: usize = 76;

/// What a batch is called: the run of the gateway, the stream within it (one per worker), and its place in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchName {
    /// The gateway.
    pub gateway: GatewayId,
    /// The run of its process that admitted the calls.
    pub incarnation: IncarnationId,
    /// The worker, counted from 0.
    pub stream: u32,
    /// Place in the stream, counted from 1 without gaps.
    pub sequence: u64,
}

/// Why bytes are not a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Too short, or not made by Tollgate.
    #[error("not a batch")]
    NotABatch,
    /// The header's checksum does not hold.
    #[error("batch header is damaged")]
    HeaderDamaged,
    /// The bytes after the header are not the ones that were sealed.
    #[error("batch body is damaged")]
    BodyDamaged,
    /// A frame or record inside a sealed body is wrong.
    #[error("record {index} of the batch: {source}")]
    Record {
        /// Place in the batch, counted from 0.
        index: u32,
        /// What is wrong.
        source: FrameError,
    },
    /// The number of records is not the one that was sealed.
    #[error("batch has {found} records, its header says {expected}")]
    Count {
        /// Records found.
        found: u32,
        /// Records announced.
        expected: u32,
    },
    /// A record belongs to another day than the batch.
    #[error("record {index} is not of the batch's day")]
    Day {
        /// Place in the batch, counted from 0.
        index: u32,
    },
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Cut off, or its checksum does not hold.
    #[error("frame is torn")]
    Torn,
    /// The frame is whole but its content is no record.
    #[error(transparent)]
    Record(#[from] CodecError),
}

/// A batch whose header and checksum hold.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// What it is called.
    pub name: BatchName,
    /// UTC day of all its records, days since 1970-01-01.
    pub day: i32,
    /// Start of the oldest call in it, microseconds since the epoch.
    pub oldest: i64,
    /// Number of records.
    pub count: u32,
    body: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Checks the header and both checksums.
    ///
    /// # Errors
    /// What is wrong with the bytes; never panics, whatever they are.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(BatchError::NotABatch)?;
        if header[..8] != MAGIC {
            return Err(BatchError::NotABatch);
        }
        if crc32fast::hash(&header[..AT_HEADER_CRC]) != u32::from_le_bytes(get(header, AT_HEADER_CRC)) {
            return Err(BatchError::HeaderDamaged);
        }
        let body_len = u32::from_le_bytes(get(header, AT_BODY_LEN)) as usize;
        if rest.len() != body_len || crc32fast::hash(rest) != u32::from_le_bytes(get(header, AT_BODY_CRC)) {
            return Err(BatchError::BodyDamaged);
        }
        Ok(Self {
            name: BatchName {
                gateway: GatewayId::from_uuid(Uuid::from_bytes(get(header, AT_GATEWAY))),
                incarnation: IncarnationId::from_uuid(Uuid::from_bytes(get(header, AT_INCARNATION))),
                stream: u32::from_le_bytes(get(header, AT_STREAM)),
                sequence: u64::from_le_bytes(get(header, AT_SEQUENCE)),
            },
            day: i32::from_le_bytes(get(header, AT_DAY)),
            oldest: i64::from_le_bytes(get(header, AT_OLDEST)),
            count: u32::from_le_bytes(get(header, AT_COUNT)),
            body: rest,
        })
    }

    /// All records, in the order in which their calls ended.
    ///
    /// # Errors
    /// A sealed batch with a record that cannot be read, that is of another day, or with another number of records.
    pub fn records(&self) -> Result<Vec<UsageRecord<'a>>, BatchError> {
        // A frame is never shorter than this, so a count from damaged bytes cannot reserve more than they could hold.
        let mut records = Vec::with_capacity((self.count as usize).min(self.body.len() / FRAME_HEADER));
        for frame in Frames::new(self.body) {
            let index = records.len() as u32;
            let record = frame
                .and_then(|bytes| Ok(UsageRecord::decode(bytes)?))
                .map_err(|source| BatchError::Record { index, source })?;
            if record.day() != self.day {
                return Err(BatchError::Day { index });
            }
            records.push(record);
        }
        let found = records.len() as u32;
        if found != self.count {
            return Err(BatchError::Count { found, expected: self.count });
        }
        Ok(records)
    }
}

/// Length of the batch that `bytes` begin with, which may be longer; nothing when no sealed header is there.
pub fn sealed_len(bytes: &[u8]) -> Option<usize> {
    let header = bytes.first_chunk::<HEADER_LEN>()?;
    let crc = u32::from_le_bytes(get(header, AT_HEADER_CRC));
    let sealed = header[..8] == MAGIC && crc32fast::hash(&header[..AT_HEADER_CRC]) == crc;
    sealed.then(|| HEADER_LEN + u32::from_le_bytes(get(header, AT_BODY_LEN)) as usize)
}

/// The header that makes `body` the batch called `name`. The same arguments always give the same bytes.
pub fn seal(name: &BatchName, day: i32, oldest: i64, count: u32, body: &[u8]) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    put(&mut header, 0, MAGIC);
    put(&mut header, AT_GATEWAY, name.gateway.uuid().into_bytes());
    put(&mut header, AT_INCARNATION, name.incarnation.uuid().into_bytes());
    put(&mut header, AT_STREAM, name.stream.to_le_bytes());
    put(&mut header, AT_COUNT, count.to_le_bytes());
    put(&mut header, AT_SEQUENCE, name.sequence.to_le_bytes());
    put(&mut header, AT_DAY, day.to_le_bytes());
    put(&mut header, AT_BODY_LEN, (body.len() as u32).to_le_bytes());
    put(&mut header, AT_OLDEST, oldest.to_le_bytes());
    put(&mut header, AT_BODY_CRC, crc32fast::hash(body).to_le_bytes());
    let crc = crc32fast::hash(&header[..AT_HEADER_CRC]);
    put(&mut header, AT_HEADER_CRC, crc.to_le_bytes());
    header
}

/// The eight bytes that precede `record` in a body: its length and its checksum.
pub fn frame(record: &[u8]) -> [u8; FRAME_HEADER] {
    let mut header = [0; FRAME_HEADER];
    header[..4].copy_from_slice(&(record.len() as u32).to_le_bytes());
    header[4..].copy_from_slice(&crc32fast::hash(record).to_le_bytes());
    header
}

/// A frame's record, and the bytes behind the frame.
pub(crate) type FrameAndRest<'a> = (&'a [u8], &'a [u8]);

/// The first frame's record and the bytes behind the frame; nothing at the end, which is no byte or a length of zero.
///
/// # Errors
/// The frame is cut off or damaged.
pub fn next_frame(body: &[u8]) -> Result<Option<FrameAndRest<'_>>, FrameError> {
    if body.is_empty() {
        return Ok(None);
    }
    let (header, rest) = body.split_first_chunk::<FRAME_HEADER>().ok_or(FrameError::Torn)?;
    let [l0, l1, l2, l3, c0, c1, c2, c3] = *header;
    let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if len == 0 {
        return Ok(None);
    }
    if len > MAX_RECORD {
        return Err(FrameError::Torn);
    }
    let (record, after) = rest.split_at_checked(len).ok_or(FrameError::Torn)?;
    if crc32fast::hash(record) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(FrameError::Torn);
    }
    Ok(Some((record, after)))
}

/// The records of a body as bytes; ends after the first frame that is torn.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    /// The frames of a body, the bytes behind a batch's header.
    pub const fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<&'a [u8], FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = std::mem::take(&mut self.rest);
        match next_frame(rest) {
            Ok(None) => None,
            Ok(Some((record, after))) => {
                self.rest = after;
                Some(Ok(record))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

fn put<const N: usize>(header: &mut [u8; HEADER_LEN], at: usize, value: [u8; N]) {
    header[at..at + N].copy_from_slice(&value);
}

fn get<const N: usize>(header: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&header[at..at + N]);
    value
}
