//! What MCP's tools call: the engine in this process, or the link to one in another.

use berth_engine::Engine;
use berth_engine::front::client::Update;
use berth_engine::front::presence::Presence;
use berth_mcp::Toolbox;
use berth_model::{Author, Event, RpcError};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use serde_json::Value;

use crate::link::Link;

/// The engine in this process; a call counts as somebody who needs it.
#[derive(Debug, Clone)]
pub struct EngineTools {
    engine: Engine,
    presence: Presence,
}

impl EngineTools {
    pub fn new(engine: Engine, presence: Presence) -> Self {
        Self { engine, presence }
    }
}

impl Toolbox for EngineTools {
    async fn call(&self, author: &Author, name: &str, payload: Value) -> Result<Value, RpcError> {
        let _visit = self.presence.enter();
        self.engine.call(author, name, payload).await
    }

    async fn events(&self) -> Option<BoxStream<'static, Event>> {
        let (_, events) = self.engine.subscribe();
        let next = |mut events: berth_engine::Events| async { events.next().await.map(|event| (event, events)) };
        Some(stream::unfold(events, next).boxed())
    }
}

impl Toolbox for Link {
    async fn call(&self, author: &Author, name: &str, payload: Value) -> Result<Value, RpcError> {
        self.call_as(author, name, payload).await
    }

    async fn events(&self) -> Option<BoxStream<'static, Event>> {
        let updates = self.client().await.ok()?.subscribe().await.ok()?;
        let next = |mut updates: tokio::sync::mpsc::Receiver<Update>| async {
            loop {
                match updates.recv().await? {
                    Update::Event(event) => return Some((*event, updates)),
                    Update::Snapshot(_) => {}
                }
            }
        };
        Some(stream::unfold(updates, next).boxed())
    }
}
