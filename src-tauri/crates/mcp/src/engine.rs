//! The engine in this process, as what MCP's tools call.

use berth_engine::front::presence::Presence;
use berth_engine::{Engine, Events};
use berth_model::{Author, Event, RpcError};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use serde_json::Value;

use crate::toolbox::Toolbox;

/// The engine in this process; a call counts as somebody who needs it.
#[derive(Debug, Clone)]
pub struct EngineTools {
    engine: Engine,
    presence: Presence,
}

impl EngineTools {
    /// Tools that call this engine.
    pub fn new(engine: Engine, presence: Presence) -> Self {
        Self { engine, presence }
    }
}

impl Toolbox for EngineTools {
    fn call<'a>(&'a self, author: &'a Author, name: &'a str, payload: Value) -> BoxFuture<'a, Result<Value, RpcError>> {
        Box::pin(async move {
            let _visit = self.presence.enter();
            self.engine.call(author, name, payload).await
        })
    }

    fn events(&self) -> BoxFuture<'_, Option<BoxStream<'static, Event>>> {
        let (_, events) = self.engine.subscribe();
        let next = |mut events: Events| async { events.next().await.map(|event| (event, events)) };
        Box::pin(std::future::ready(Some(stream::unfold(events, next).boxed())))
    }
}
