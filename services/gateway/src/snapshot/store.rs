//! The last good configuration on disk, so that a gateway starts when nobody else is up.
//!
//! Beside it stands when its owners were heard, so that a restart makes nothing younger. One file per stage, the keys in 64 parts of which only changed ones are written, the tables they refer to, and last of
//! all the revision. What a crash leaves is a state at least as new as its revision; following on from the revision repairs
//! the rest. A state that cannot be read is dropped as a whole and followed from the beginning.

use std::collections::BTreeMap;
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
    directory: PathBuf,
    apis: PathBuf,
    access: PathBuf,
    stages: Mutex<Unsaved>,
    heard: Mutex<()>,
    /// What the files of keys hold, to write only what differs.
    saved: Mutex<Option<Live>>,
}

/// What the files of stages do not hold yet. Their revision is written last, when nothing is left here.
#[derive(Debug, Default)]
struct Unsaved {
    /// The files belong to a state that is no more: they go before anything is written.
    anew: bool,
    changes: BTreeMap<String, Option<StageEntry>>,
    revision: Option<u64>,
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
        let store = Self {
            directory: directory.to_owned(),
            apis: directory.join("apis"),
            access: directory.join("access"),
            stages: Mutex::default(),
            heard: Mutex::default(),
            saved: Mutex::new(None),
        };
        std::fs::create_dir_all(&store.apis)?;
        std::fs::create_dir_all(&store.access)?;
        Ok(store)
    }

    /// Fills an empty writer with what was saved and publishes it.
    pub(crate) fn restore(&self, writer: &mut Writer) -> Restored {
        let apis = logged("stages", self.restore_stages(writer));
        if !apis {
            writer.reset_stages();
            self.stages.lock().anew = true;
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

    /// Notes changes of stages for the next [`Store::save_stages`].
    pub(crate) fn note_stages(&self, changes: Vec<Change<StageEntry>>, revision: u64) {
        let mut unsaved = self.stages.lock();
        unsaved.changes.extend(changes.into_iter().map(|change| (change.key, change.state)));
        unsaved.revision = Some(revision);
    }

    /// Notes that these stages take the place of all that were saved.
    pub(crate) fn note_all_stages(&self, changes: Vec<Change<StageEntry>>, revision: u64) {
        *self.stages.lock() = Unsaved { anew: true, ..Unsaved::default() };
        self.note_stages(changes, revision);
    }

    /// Saves what was noted and, when all of it is written, the revision. What cannot be written is tried again next time.
    pub(crate) async fn save_stages(self: &Arc<Self>) {
        if self.stages.lock().revision.is_none() {
            return;
        }
        let store = Arc::clone(self);
        in_background("stages", move || store.write_stages()).await;
    }

    fn write_stages(&self) -> io::Result<()> {
        let mut unsaved = self.stages.lock();
        if unsaved.anew {
            self.remove_stages()?;
            unsaved.anew = false;
        }
        let mut fault = None;
        unsaved.changes.retain(|key, state| match self.write_stage(key, state.as_ref()) {
            Ok(()) => false,
            Err(error) => {
                fault = Some(error);
                true
            }
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        if let Some(revision) = unsaved.revision {
            write_revision(&self.apis, revision)?;
            unsaved.revision = None;
        }
        Ok(())
    }

    fn write_stage(&self, key: &str, state: Option<&StageEntry>) -> io::Result<()> {
        let Some((api, name)) = parse_stage_key(key) else { return Ok(()) };
        let path = self.apis.join(format!("{api}.{name}.stage"));
        match state {
            Some(entry) => file::write(&path, &serde_json::to_vec(entry)?),
            None => remove(&path),
        }
    }

    /// The revision goes first: stages without one are no state.
    fn remove_stages(&self) -> io::Result<()> {
        remove(&self.apis.join("revision"))?;
        for found in std::fs::read_dir(&self.apis)? {
            let path = found?.path();
            if path.extension().is_some_and(|extension| extension == "stage") {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// The next save of keys and plans writes everything: another state took their place.
    pub(crate) fn forget_access(&self) {
        *self.saved.lock() = None;
    }

    /// Saves keys and plans unless they are saved: what changed since the last time, then the revision.
    pub(crate) async fn save_access(self: &Arc<Self>, live: Live) {
        let is_saved = |saved: &Live| saved.revisions.metering == live.revisions.metering;
        if self.saved.lock().as_ref().is_some_and(is_saved) {
            return;
        }
        let store = Arc::clone(self);
        in_background("keys and usage plans", move || store.write_access(live)).await;
    }

    /// Notes when an owner was heard, in microseconds since the epoch.
    pub(crate) async fn save_heard(self: &Arc<Self>, owner: &'static str, at: i64) {
        let store = Arc::clone(self);
        in_background("when an owner was heard", move || {
            let _one_at_a_time = store.heard.lock();
            file::write(&store.heard_file(owner), &serde_json::to_vec(&at)?)
        })
        .await;
    }

    /// When an owner was heard, as noted last.
    pub(crate) fn heard(&self, owner: &str) -> Option<i64> {
        serde_json::from_slice(&file::read(&self.heard_file(owner)).ok()?).ok()
    }

    fn heard_file(&self, owner: &str) -> PathBuf {
        self.directory.join(format!("heard-{owner}"))
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
    out.extend_from_slice(&entry.tenant().to_le_bytes());
    out.extend_from_slice(&entry.grant.to_le_bytes());
    out.push(u8::from(entry.is_enabled()));
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

#[cfg(test)]
mod tests {
    use common::id::{ApiId, DeploymentId};
    use contracts::apis::StageSettings;

    use super::*;

    fn stage(api: ApiId, deployment: DeploymentId) -> Vec<Change<StageEntry>> {
        let entry = StageEntry {
            tenant: TenantId::new(chrono::DateTime::UNIX_EPOCH),
            api,
            stage: "dev".to_owned(),
            deployment,
            document: Arc::new(apidef::Api::new("a")),
            settings: StageSettings::default(),
            secret_headers: Vec::new(),
        };
        vec![Change::new(1, format!("stage/{api}/dev"), Some(entry))]
    }

    fn deployment() -> DeploymentId {
        DeploymentId::new(chrono::DateTime::UNIX_EPOCH)
    }

    /// What a restart finds: its revision, and the deployment of a stage.
    fn restored(directory: &Path, api: ApiId) -> (u64, Option<DeploymentId>) {
        let mut writer =
            Writer::new(crate::admission::Sharing::default(), crate::config::TenantThrottles::default());
        Store::open(directory).expect("a store").restore(&mut writer);
        let live = writer.live();
        (live.revisions.apis, live.stage(&api, "dev").map(|stage| stage.deployment))
    }

    #[tokio::test]
    async fn the_saved_revision_waits_for_every_stage_and_what_failed_is_saved_with_the_next() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Arc::new(Store::open(directory.path()).expect("a store"));
        let (first, other) = (ApiId::random(), ApiId::random());
        let (old, new) = (deployment(), deployment());
        store.note_stages(stage(first, old), 1);
        store.save_stages().await;
        assert_eq!(restored(directory.path(), first), (1, Some(old)));

        // Stands where the file is prepared.
        let obstacle = store.apis.join(format!("{first}.dev.new"));
        std::fs::create_dir(&obstacle).expect("an obstacle");
        store.note_stages(stage(first, new), 2);
        store.save_stages().await;
        store.note_stages(stage(other, old), 3);
        store.save_stages().await;
        assert_eq!(
            restored(directory.path(), first),
            (1, Some(old)),
            "followed on from there, nothing is missed"
        );
        assert_eq!(restored(directory.path(), other), (1, Some(old)));

        std::fs::remove_dir(&obstacle).expect("removed");
        store.save_stages().await;
        assert_eq!(restored(directory.path(), first), (3, Some(new)));
    }

    #[tokio::test]
    async fn a_state_that_takes_the_place_of_another_leaves_none_of_its_stages() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Arc::new(Store::open(directory.path()).expect("a store"));
        let (lost, kept) = (ApiId::random(), ApiId::random());
        store.note_stages(stage(lost, deployment()), 100);
        store.save_stages().await;
        store.note_all_stages(stage(kept, deployment()), 90);
        store.save_stages().await;
        assert_eq!(restored(directory.path(), lost), (90, None));
        assert!(restored(directory.path(), kept).1.is_some());
    }

    #[tokio::test]
    async fn when_an_owner_was_heard_survives_and_damage_to_it_is_noticed() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Arc::new(Store::open(directory.path()).expect("a store"));
        assert_eq!(store.heard("apis"), None);
        store.save_heard("apis", 17).await;
        assert_eq!((store.heard("apis"), store.heard("metering")), (Some(17), None));
        std::fs::write(store.heard_file("apis"), "99").expect("damaged");
        assert_eq!(store.heard("apis"), None);
    }
}
