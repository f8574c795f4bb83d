//! Standard input and output, connected to a sandbox's SSH server: what OpenSSH runs as its ProxyCommand.

use serde_json::Value;

use crate::Failure;

/// Connects until the server closes. `access` is the reply of `sandbox.ssh`.
#[cfg(unix)]
pub fn run(access: &Value) -> Result<(), Failure> {
    Ok(berth_ssh::stdio::connect(access["socket"].as_str().unwrap_or_default().as_ref())?)
}

/// There is no local sandbox on Windows whose socket this process could open.
#[cfg(not(unix))]
pub fn run(_: &Value) -> Result<(), Failure> {
    let message = "`berthctl proxy` needs Unix sockets, which this system does not have.";
    Err(berth_model::RpcError::new(berth_model::ErrorCode::Failed, message).into())
}
