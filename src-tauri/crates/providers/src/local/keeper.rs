//! What a running sandbox needs from this process. It ends with the keeper; the sandbox does not.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use berth_model::ChannelId;
use tokio::net::UnixListener;
use tokio::process::Child;
use tokio::task::JoinSet;

use super::record::Running;
use super::{Account, Inner, pasta};
use crate::egress::Proxy;
use crate::error::Doing;
use crate::layout::Places;
use crate::{ProviderError, files};

const LOOK: Duration = Duration::from_secs(30);

/// The tasks of one sandbox; dropping it cancels them.
#[derive(Default)]
pub(super) struct Keeper(JoinSet<()>);

impl Keeper {
    /// Serves the way out.
    pub(super) fn serve_egress(
        &mut self,
        id: &ChannelId,
        places: &Places,
        account: &Account,
        inner: &Inner,
    ) -> Result<(), ProviderError> {
        let doing = "Opening the sandbox's way out";
        let path = &places.egress;
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).doing(doing, path)?;
        if matches!(account, Account::Own { .. }) {
            // Its folder is the sandbox's user's alone, and read-only to the sandbox itself.
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).doing(doing, path)?;
        }
        let env = inner.env.clone();
        let proxy = Proxy::new(id.clone(), &inner.egress, |name| env.get(name).cloned());
        self.0.spawn(proxy.serve(listener));
        Ok(())
    }

    /// Waits for the sandbox's end, whoever brings it about, and cleans up after it; keeps its log small meanwhile.
    pub(super) fn watch(mut self, places: &Places, running: &Running, mut child: Option<Child>) -> Self {
        let (log, pasta_pid, first) = (places.log.clone(), places.pasta_pid.clone(), running.first.clone());
        self.0.spawn(async move {
            loop {
                let ended = match &mut child {
                    Some(monitor) => tokio::time::timeout(LOOK, monitor.wait()).await.is_ok(),
                    None => {
                        tokio::time::sleep(LOOK).await;
                        false
                    }
                };
                // The sandbox lives on without its monitor, which has nothing more to say.
                child = child.filter(|_| !ended);
                if !first.is_alive() {
                    break;
                }
                let _ = files::bound_log(&log);
            }
            if let Some(pasta) = pasta::daemon(&pasta_pid) {
                let _ = pasta.end().await;
            }
        });
        self
    }
}
