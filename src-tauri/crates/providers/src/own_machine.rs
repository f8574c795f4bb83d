//! A machine of the person's own. It is there already and stays: there is nothing to make, to end or to take away.

use berth_model::ChannelId;
use berth_ssh::{Address, Resolve, Resolved, resolve};
use futures::future::BoxFuture;

use crate::{Found, Provider, ProviderError, SandboxSpec, Started};

/// The provider of one machine that a person has.
#[derive(Debug, Clone)]
pub struct OwnMachine {
    address: String,
    options: Resolve,
}

impl OwnMachine {
    /// The machine at an address: `user@host:port`, or a name of the person's SSH configuration.
    pub fn new(address: String, options: Resolve) -> Self {
        Self { address, options }
    }

    /// What its address means, with what of the person's configuration is not followed. Nothing is asked of it yet.
    pub async fn resolve(&self) -> Result<Resolved, ProviderError> {
        let address: Address =
            self.address.parse().map_err(|source| ProviderError::Address { address: self.address.clone(), source })?;
        resolve(&address, self.options.clone()).await.map_err(ProviderError::Reach)
    }

    async fn reach(&self) -> Result<Started, ProviderError> {
        let resolved = self.resolve().await?;
        for note in &resolved.notes {
            tracing::info!(machine = self.address, note, "the SSH configuration");
        }
        Ok(Started { target: resolved.target, network: None, network_note: None, limits: None })
    }
}

impl Provider for OwnMachine {
    fn start<'a>(&'a self, _: &'a SandboxSpec) -> BoxFuture<'a, Result<Started, ProviderError>> {
        Box::pin(self.reach())
    }

    fn find<'a>(&'a self, _: &'a ChannelId) -> BoxFuture<'a, Result<Found, ProviderError>> {
        Box::pin(async { Ok(Found::Running(Box::new(self.reach().await?))) })
    }

    fn sleep<'a>(&'a self, _: &'a ChannelId) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async { Ok(()) })
    }

    fn destroy<'a>(&'a self, _: &'a ChannelId) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async { Ok(()) })
    }
}
