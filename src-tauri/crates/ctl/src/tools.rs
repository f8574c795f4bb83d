//! What MCP's tools call when the engine is in another process.

use berth_engine::front::client::Update;
use berth_mcp::Toolbox;
use berth_model::{Author, Event, RpcError};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use serde_json::Value;

use crate::link::Link;

impl Toolbox for Link {
    fn call<'a>(&'a self, author: &'a Author, name: &'a str, payload: Value) -> BoxFuture<'a, Result<Value, RpcError>> {
        Box::pin(self.call_as(author, name, payload))
    }

    fn events(&self) -> BoxFuture<'_, Option<BoxStream<'static, Event>>> {
        Box::pin(self.heard())
    }
}

impl Link {
    async fn heard(&self) -> Option<BoxStream<'static, Event>> {
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
