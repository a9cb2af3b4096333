//! One file of the saved configuration: written whole or not at all, read only when its checksum fits.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

const MAGIC: &[u8; 8] = b"tlgtcfg1";

/// Writes `content` to `path` by way of a synced file beside it. Only the owner may read it: it can hold secrets.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(MAGIC)?;
    file.write_all(&crc32fast::hash(content).to_le_bytes())?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// Reads what [`write`] wrote.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged", path.display()));
    let mut file = File::open(path)?;
    let mut header = [0; 12];
    file.read_exact(&mut header).map_err(|_| damaged())?;
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    let (magic, checksum) = header.split_at(8);
    if magic != MAGIC || checksum != crc32fast::hash(&content).to_le_bytes() {
        return Err(damaged());
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_cut_or_changed_is_not_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("part");
        write(&path, b"content").expect("written");
        assert_eq!(read(&path).expect("read"), b"content");
        let whole = std::fs::read(&path).expect("raw");
        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).expect("cut");
            assert!(read(&path).is_err(), "{end}");
        }
        let mut changed = whole;
        changed[13] ^= 1;
        std::fs::write(&path, &changed).expect("changed");
        assert!(read(&path).is_err());
    }
}
