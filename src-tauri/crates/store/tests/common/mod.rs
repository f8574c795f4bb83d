//! What the tests of the store share.

use berth_model::{Author, ChannelId, Entry, EntryBody, EntryId, ProviderKind, SandboxState, Start};
use berth_store::{ChannelRecord, Store};
use tempfile::TempDir;

/// Opens a store that has no problem to tell.
pub fn open(folder: &TempDir) -> Store {
    let (store, problems) = Store::open(folder.path()).unwrap();
    assert_eq!(problems, []);
    store
}

pub fn channel(name: &str) -> ChannelRecord {
    ChannelRecord {
        id: ChannelId::fresh(),
        name: name.to_owned(),
        created_at: 1_700_000_000_000,
        machine: None,
        provider: ProviderKind::Local,
        start: Start::Blank,
        network: None,
        state: SandboxState::Wanted,
        since: 1_700_000_000_000,
        workdir: "/home/dev".to_owned(),
        inventory: None,
        last_ports: Vec::new(),
        laid_out: false,
    }
}

pub fn message(channel: &ChannelId, text: &str) -> Entry {
    Entry {
        id: EntryId::fresh(),
        channel: channel.clone(),
        at: 1_700_000_000_000,
        seq: 0,
        author: Author::Person,
        body: EntryBody::Message { text: text.to_owned() },
    }
}

/// The channels' names, oldest first.
pub async fn names(store: &Store) -> Vec<String> {
    store.channels().await.unwrap().into_iter().map(|record| record.name).collect()
}
