//! The agent that holds a person's keys. One that hangs costs a moment, and not the connection.

use std::path::Path;
use std::time::Duration;

use russh::keys::agent::client::{AgentClient, AgentStream};
use russh::keys::agent::{AgentIdentity, AgentSessionBinding};
use russh::keys::{Algorithm, Error, HashAlg};
use russh::{AgentAuthError, Signer};

use super::attempt::Attempt;

/// How long it may take to say which keys it has.
const LIST: Duration = Duration::from_secs(3);
/// How long it may take to sign: it may ask the person to touch a key.
const SIGN: Duration = Duration::from_secs(60);

pub(crate) type Client = AgentClient<Box<dyn AgentStream + Send + Unpin>>;

/// The keys that an agent has, and the agent.
pub(crate) async fn keys(
    path: &Path,
    binding: Option<&AgentSessionBinding>,
) -> Result<(Client, Vec<AgentIdentity>), String> {
    let asked = async {
        let mut client = connect(path).await?;
        if let Some(binding) = binding {
            // Keys that are only for some machines need it; older agents do not know it.
            let _ = client.bind_session(binding, false).await;
        }
        let keys = client.request_identities().await?;
        Ok::<_, Error>((client, keys))
    };
    match tokio::time::timeout(LIST, asked).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("it did not answer within {} s", LIST.as_secs())),
    }
}

/// Windows' own agent.
pub(super) const USUAL: &str = r"\\.\pipe\openssh-ssh-agent";

#[cfg(unix)]
async fn connect(path: &Path) -> Result<Client, Error> {
    Ok(AgentClient::connect_uds(path).await?.dynamic())
}

/// A named pipe, or Pageant: by its name, and where Windows' own agent does not run.
#[cfg(windows)]
async fn connect(path: &Path) -> Result<Client, Error> {
    if path.as_os_str().eq_ignore_ascii_case("pageant") {
        return Ok(AgentClient::connect_pageant().await?.dynamic());
    }
    match AgentClient::connect_named_pipe(path).await {
        Ok(client) => Ok(client.dynamic()),
        Err(error) if path == Path::new(USUAL) => {
            AgentClient::connect_pageant().await.map(AgentClient::dynamic).map_err(|_| error)
        }
        Err(error) => Err(error),
    }
}

/// Signs with one of its keys.
pub(crate) struct AgentSigner<'a> {
    pub(crate) client: &'a mut Client,
    /// As the agent knows it; a certificate from a file is not known to it.
    pub(crate) identity: &'a AgentIdentity,
    pub(crate) attempt: &'a Attempt,
}

impl Signer for AgentSigner<'_> {
    type Error = AgentAuthError;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, AgentAuthError> {
        let signed = self.client.sign_request(self.identity, hash, data);
        let signed = self.attempt.unhurried(tokio::time::timeout(SIGN, signed)).await;
        let touched =
            matches!(self.identity.public_key().algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256);
        if touched {
            self.attempt.asked_anew();
        }
        match signed {
            Ok(signed) => Ok(signed?),
            Err(_) => Err(Error::AgentFailure.into()),
        }
    }
}
