//! What listeners are told: one ordered stream of events, and the mirror they start from.
//!
//! The mirror is changed and the event is sent under one lock, so a snapshot and the events that follow it never
//! overlap and never leave a gap. A listener that is too slow is told so and takes a new snapshot.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use berth_model::{
    Channel, ChannelId, Entry, Event, EventBody, Forward, Keychain, Machine, MachineId, ProviderInfo, Question,
    RpcError, Settings, Snapshot, Transfer, TransferId, UnixMillis,
};
use tokio::sync::broadcast;

/// How many events a listener may be behind before it must take a new snapshot.
const BACKLOG: usize = 2_048;

/// The mirror and its listeners.
#[derive(Debug)]
pub struct Hub {
    state: Mutex<Mirror>,
    sender: broadcast::Sender<Event>,
    engine: String,
}

#[derive(Debug)]
struct Mirror {
    seq: u64,
    channels: BTreeMap<(UnixMillis, ChannelId), Channel>,
    providers: Vec<ProviderInfo>,
    machines: Vec<Machine>,
    questions: Vec<Question>,
    transfers: Vec<Transfer>,
    forwards: Vec<Forward>,
    settings: Settings,
    keychain: Keychain,
    problems: Vec<RpcError>,
}

/// A listener's place in the stream of events.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    /// The next event; `None` when this listener fell behind, or the engine ended: take a new snapshot.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await.ok()
    }
}

impl Hub {
    /// An empty mirror of an engine that calls this life of its own `engine`.
    pub fn new(engine: String, settings: Settings, keychain: Keychain, problems: Vec<RpcError>) -> Self {
        let state = Mirror {
            seq: 0,
            channels: BTreeMap::new(),
            providers: Vec::new(),
            machines: Vec::new(),
            questions: Vec::new(),
            transfers: Vec::new(),
            forwards: Vec::new(),
            settings,
            keychain,
            problems,
        };
        Self { state: Mutex::new(state), sender: broadcast::channel(BACKLOG).0, engine }
    }

    /// Where things stand, and everything that follows.
    pub fn subscribe(&self) -> (Snapshot, Events) {
        let mirror = self.lock();
        (self.snapshot_of(&mirror), Events(self.sender.subscribe()))
    }

    /// Where things stand.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_of(&self.lock())
    }

    /// All channels, oldest first.
    pub fn channels(&self) -> Vec<Channel> {
        self.lock().channels.values().cloned().collect()
    }

    /// A channel is new or differs; nothing is said where it does not differ.
    pub fn channel(&self, channel: &Channel) {
        let mut mirror = self.lock();
        let key = (channel.created_at, channel.id.clone());
        if mirror.channels.get(&key) != Some(channel) {
            mirror.channels.insert(key, channel.clone());
            self.send(&mut mirror, EventBody::Channel { channel: channel.clone() });
        }
    }

    /// A channel is gone; nothing is said the second time.
    pub fn channel_removed(&self, id: &ChannelId) {
        let mut mirror = self.lock();
        let known = mirror.channels.len();
        mirror.channels.retain(|(_, channel), _| channel != id);
        if mirror.channels.len() < known {
            self.send(&mut mirror, EventBody::ChannelRemoved { id: id.clone() });
        }
    }

    /// A timeline entry is new or differs.
    pub fn entry(&self, entry: Entry) {
        self.event(EventBody::Entry { entry });
    }

    /// The settings differ.
    pub fn settings(&self, settings: Settings) {
        let mut mirror = self.lock();
        mirror.settings = settings.clone();
        self.send(&mut mirror, EventBody::Settings { settings });
    }

    /// What channels can be made on, and whether keys can be kept.
    pub fn surroundings(&self, providers: Vec<ProviderInfo>, keychain: Keychain) {
        let mut mirror = self.lock();
        mirror.providers.clone_from(&providers);
        mirror.keychain = keychain.clone();
        self.send(&mut mirror, EventBody::Surroundings { providers, keychain });
    }

    /// A machine by its id.
    pub fn machine(&self, id: &MachineId) -> Option<Machine> {
        self.lock().machines.iter().find(|machine| machine.id == *id).cloned()
    }

    /// All machines, by name.
    pub fn machines_now(&self) -> Vec<Machine> {
        self.lock().machines.clone()
    }

    /// The machines differ.
    pub fn machines(&self, machines: Vec<Machine>) {
        let mut mirror = self.lock();
        mirror.machines.clone_from(&machines);
        self.send(&mut mirror, EventBody::Machines { machines });
    }

    /// What waits for a person's answer differs.
    pub fn questions(&self, questions: Vec<Question>) {
        let mut mirror = self.lock();
        mirror.questions.clone_from(&questions);
        self.send(&mut mirror, EventBody::Questions { questions });
    }

    /// A transfer is new or differs.
    pub fn transfer(&self, transfer: Transfer) {
        let mut mirror = self.lock();
        match mirror.transfers.iter_mut().find(|known| known.id == transfer.id) {
            Some(known) => known.clone_from(&transfer),
            None => mirror.transfers.push(transfer.clone()),
        }
        self.send(&mut mirror, EventBody::Transfer { transfer });
    }

    /// A transfer was dismissed.
    pub fn transfer_removed(&self, id: &TransferId) {
        let mut mirror = self.lock();
        mirror.transfers.retain(|transfer| transfer.id != *id);
        self.send(&mut mirror, EventBody::TransferRemoved { id: id.clone() });
    }

    /// The ports that are open on this computer differ.
    pub fn forwards(&self, forwards: Vec<Forward>) {
        let mut mirror = self.lock();
        mirror.forwards.clone_from(&forwards);
        self.send(&mut mirror, EventBody::Forwards { forwards });
    }

    /// An event that changes nothing in the mirror.
    pub fn event(&self, body: EventBody) {
        self.send(&mut self.lock(), body);
    }

    fn send(&self, mirror: &mut Mirror, body: EventBody) {
        mirror.seq += 1;
        // No listener is no fault: the next one starts from a snapshot.
        let _ = self.sender.send(Event { seq: mirror.seq, at: now(), body });
    }

    fn snapshot_of(&self, mirror: &Mirror) -> Snapshot {
        Snapshot {
            seq: mirror.seq,
            engine: self.engine.clone(),
            channels: mirror.channels.values().cloned().collect(),
            providers: mirror.providers.clone(),
            machines: mirror.machines.clone(),
            questions: mirror.questions.clone(),
            transfers: mirror.transfers.clone(),
            forwards: mirror.forwards.clone(),
            settings: mirror.settings.clone(),
            keychain: mirror.keychain.clone(),
            problems: mirror.problems.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Mirror> {
        // A panic elsewhere must not silence every listener; the mirror is valid after each single write.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Now, in milliseconds since the Unix epoch.
pub fn now() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixMillis::try_from(since.as_millis()).unwrap_or(UnixMillis::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub() -> Hub {
        Hub::new("life".to_owned(), Settings::default(), Keychain::Available, Vec::new())
    }

    #[tokio::test]
    async fn events_follow_the_snapshot_without_a_gap() {
        let hub = hub();
        hub.settings(Settings::default());
        let (snapshot, mut events) = hub.subscribe();
        hub.settings(Settings::default());
        hub.settings(Settings::default());
        assert_eq!(snapshot.seq, 1);
        assert_eq!(events.next().await.map(|event| event.seq), Some(2));
        assert_eq!(events.next().await.map(|event| event.seq), Some(3));
    }

    #[tokio::test]
    async fn a_listener_that_fell_behind_is_told() {
        let hub = hub();
        let (_, mut events) = hub.subscribe();
        for _ in 0..=BACKLOG {
            hub.settings(Settings::default());
        }
        assert_eq!(events.next().await, None);
    }
}
