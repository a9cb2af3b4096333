//! The last good configuration on disk, so that a gateway starts when nobody else is up.
//!
//! One file per stage, the keys in 64 parts of which only changed ones are written, the tables they refer to, and last of
//! all the revision. What a crash leaves is a state at least as new as its revision; following on from the revision repairs
//! the rest. A state that cannot be read is dropped as a whole and followed from the beginning.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::id::{KeyId, SubscriptionId, TenantId};
use contracts::apis::StageEntry;
use contracts::metering::UsagePlanEntry;
use contracts::stream::Change;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::keys::{BRANCHES, KeyHash};
use super::plans::{Grant, Plan};
use super::writer::{Interner, Writer, parse_stage_key};
use super::{KeyEntry, Live, file};

const KEY_BYTES: usize = 16 + 16 + 16 + 8 + 4 + 4 + 1;

/// Saves and restores the configuration below one directory.
#[derive(Debug)]
pub(crate) struct Store {
    apis: PathBuf,
    access: PathBuf,
    /// What the files of keys hold, to write only what differs.
    saved: Mutex<Option<Live>>,
}

/// Which owners' states were found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Restored {
    pub(crate) apis: bool,
    pub(crate) metering: bool,
}

/// What entries of keys refer to by number, and the plans.
#[derive(Debug, Serialize, Deserialize)]
struct Tables {
    tenants: Vec<TenantId>,
    grants: Vec<Grant>,
    plans: Vec<UsagePlanEntry>,
}

impl Store {
    /// Uses `directory`, which is made when missing.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let store =
            Self { apis: directory.join("apis"), access: directory.join("access"), saved: Mutex::new(None) };
        std::fs::create_dir_all(&store.apis)?;
        std::fs::create_dir_all(&store.access)?;
        Ok(store)
    }

    /// Fills an empty writer with what was saved and publishes it.
    pub(crate) fn restore(&self, writer: &mut Writer) -> Restored {
        let apis = logged("stages", self.restore_stages(writer));
        if !apis {
            writer.reset_stages();
        }
        let metering = logged("keys and usage plans", self.restore_access(writer));
        if !metering {
            writer.reset_access();
        }
        writer.publish();
        if metering {
            *self.saved.lock() = Some(writer.live().clone());
        }
        Restored { apis, metering }
    }

    fn restore_stages(&self, writer: &mut Writer) -> io::Result<()> {
        let revision = read_revision(&self.apis)?;
        let mut changes = Vec::new();
        for found in std::fs::read_dir(&self.apis)? {
            let path = found?.path();
            if path.extension().is_none_or(|extension| extension != "stage") {
                continue;
            }
            let entry: StageEntry = serde_json::from_slice(&file::read(&path)?)?;
            let key = format!("stage/{}/{}", entry.api, entry.stage);
            changes.push(Change::new(revision, key, Some(entry)));
        }
        writer.apply_stages(changes, revision);
        Ok(())
    }

    fn restore_access(&self, writer: &mut Writer) -> io::Result<()> {
        let revision = read_revision(&self.access)?;
        let tables: Tables = serde_json::from_slice(&file::read(&self.access.join("tables"))?)?;
        writer.tenants = Interner::restore(&tables.tenants);
        writer.grants = Interner::restore(&tables.grants);
        let plans = tables.plans.into_iter().map(|plan| (plan.id, Arc::new(Plan::new(plan))));
        writer.draft.plans = Arc::new(plans.collect());
        writer.draft.tenants = Arc::new(tables.tenants);
        writer.draft.grants = Arc::new(tables.grants);
        for branch in 0..BRANCHES {
            let content = file::read(&self.key_file(branch))?;
            for bytes in content.chunks(KEY_BYTES) {
                let (hash, entry) = decode_key(bytes).ok_or(io::ErrorKind::InvalidData)?;
                writer.index.add(entry.key, hash);
                writer.draft.keys.insert(hash, entry);
            }
        }
        writer.draft.revisions.metering = revision;
        Ok(())
    }

    /// Saves changed stages, then the revision.
    pub(crate) async fn save_stages(self: &Arc<Self>, changes: Vec<Change<StageEntry>>, revision: u64) {
        let store = Arc::clone(self);
        in_background("stages", move || {
            for change in changes {
                let Some((api, name)) = parse_stage_key(&change.key) else { continue };
                let path = store.apis.join(format!("{api}.{name}.stage"));
                match &change.state {
                    Some(entry) => file::write(&path, &serde_json::to_vec(entry)?)?,
                    None => remove(&path)?,
                }
            }
            write_revision(&store.apis, revision)
        })
        .await;
    }

    /// Drops the saved stages, before the owner's whole state is read again.
    pub(crate) async fn forget_stages(self: &Arc<Self>) {
        let store = Arc::clone(self);
        in_background("stages", move || {
            remove(&store.apis.join("revision"))?;
            for found in std::fs::read_dir(&store.apis)? {
                remove(&found?.path())?;
            }
            Ok(())
        })
        .await;
    }

    /// Saves keys and plans: what changed since the last time, then the revision.
    pub(crate) async fn save_access(self: &Arc<Self>, live: Live) {
        let store = Arc::clone(self);
        in_background("keys and usage plans", move || store.write_access(live)).await;
    }

    fn write_access(&self, live: Live) -> io::Result<()> {
        let mut saved = self.saved.lock();
        let tables = Tables {
            tenants: live.tenants.to_vec(),
            grants: live.grants.to_vec(),
            plans: live.plans.values().map(|plan| plan.to_entry()).collect(),
        };
        file::write(&self.access.join("tables"), &serde_json::to_vec(&tables)?)?;
        for branch in 0..BRANCHES {
            let unchanged = saved
                .as_ref()
                .is_some_and(|saved| Arc::ptr_eq(saved.keys.branch(branch), live.keys.branch(branch)));
            if unchanged {
                continue;
            }
            let mut content = Vec::new();
            for (hash, entry) in live.keys.entries(branch) {
                encode_key(&mut content, hash, entry);
            }
            file::write(&self.key_file(branch), &content)?;
        }
        write_revision(&self.access, live.revisions.metering)?;
        *saved = Some(live);
        Ok(())
    }

    fn key_file(&self, branch: usize) -> PathBuf {
        self.access.join(format!("keys-{branch:02}"))
    }
}

/// Runs a save beside the runtime. A disk that fails does not stop the gateway: it serves from memory and says so.
async fn in_background(what: &'static str, save: impl FnOnce() -> io::Result<()> + Send + 'static) {
    match tokio::task::spawn_blocking(save).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(what, %error, "configuration not saved"),
        Err(error) => tracing::error!(what, %error, "configuration not saved"),
    }
}

fn logged(what: &'static str, result: io::Result<()>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => {
            tracing::warn!(what, %error, "saved configuration is not usable, following from the beginning");
            false
        }
    }
}

fn read_revision(directory: &Path) -> io::Result<u64> {
    Ok(serde_json::from_slice(&file::read(&directory.join("revision"))?)?)
}

fn write_revision(directory: &Path, revision: u64) -> io::Result<()> {
    file::write(&directory.join("revision"), &serde_json::to_vec(&revision)?)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn encode_key(out: &mut Vec<u8>, hash: KeyHash, entry: &KeyEntry) {
    out.extend_from_slice(&hash.to_bytes());
    out.extend_from_slice(entry.key.uuid().as_bytes());
    let subscription = entry.subscription().map_or(Uuid::nil(), SubscriptionId::uuid);
    out.extend_from_slice(subscription.as_bytes());
    out.extend_from_slice(&entry.expires_ms().unwrap_or(i64::MAX).to_le_bytes());
    out.extend_from_slice(&entry.tenant.to_le_bytes());
    out.extend_from_slice(&entry.grant.to_le_bytes());
    out.push(u8::from(entry.enabled));
}

fn decode_key(bytes: &[u8]) -> Option<(KeyHash, KeyEntry)> {
    let (hash, rest) = bytes.split_first_chunk::<16>()?;
    let (key, rest) = rest.split_first_chunk::<16>()?;
    let (subscription, rest) = rest.split_first_chunk::<16>()?;
    let (expires, rest) = rest.split_first_chunk::<8>()?;
    let (tenant, rest) = rest.split_first_chunk::<4>()?;
    let (grant, rest) = rest.split_first_chunk::<4>()?;
    let [enabled] = rest else { return None };
    let subscription = Uuid::from_bytes(*subscription);
    let expires = i64::from_le_bytes(*expires);
    let entry = KeyEntry::new(
        KeyId::from_uuid(Uuid::from_bytes(*key)),
        (!subscription.is_nil()).then(|| SubscriptionId::from_uuid(subscription)),
        (expires != i64::MAX).then_some(expires),
        u32::from_le_bytes(*tenant),
        u32::from_le_bytes(*grant),
        *enabled != 0,
    );
    Some((KeyHash::from_bytes(*hash), entry))
}
