//! What answers the commands that the tools give.

use berth_model::{Author, Event, RpcError};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Whoever answers the table of commands: an engine in this process, or the socket of one in another.
pub trait Toolbox: std::fmt::Debug + Send + Sync + 'static {
    /// Calls a command for somebody. A call that is dropped may or may not be carried out.
    fn call<'a>(&'a self, author: &'a Author, name: &'a str, payload: Value) -> BoxFuture<'a, Result<Value, RpcError>>;

    /// What happens from now on; nothing where it cannot be heard. It is only listened to for progress.
    fn events(&self) -> BoxFuture<'_, Option<BoxStream<'static, Event>>>;
}

/// Calls a command by its types.
pub(crate) async fn ask<R: DeserializeOwned>(
    toolbox: &dyn Toolbox,
    author: &Author,
    name: &str,
    request: &impl Serialize,
) -> Result<R, RpcError> {
    let payload = serde_json::to_value(request).map_err(|error| garbled(name, &error))?;
    let response = toolbox.call(author, name, payload).await?;
    serde_json::from_value(response).map_err(|error| garbled(name, &error))
}

fn garbled(name: &str, error: &serde_json::Error) -> RpcError {
    RpcError::from_error(berth_model::ErrorCode::Failed, error)
        .hint(format!("{name} was answered in a way that this program does not understand; are its versions mixed?"))
}
