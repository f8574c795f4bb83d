//! What a person is told about a sandbox.

use crate::{RpcError, UnixMillis, wire};

/// Where sandboxes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, ts_rs::TS, Default)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// This computer, kept apart by namespaces.
    #[default]
    Local,
    /// A machine of the person's own, as it is: nothing on it is kept apart.
    Machine,
}

/// How a sandbox on this computer reaches the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum NetworkMode {
    /// A network of its own with everything outside reachable.
    Full,
    /// A network of its own with loopback only; HTTP and HTTPS leave through Berth's egress proxy.
    Proxied,
    /// This computer's own network. Only when a person chose it: it can reach every local service.
    Host,
}

/// The life of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum SandboxState {
    /// Written down, not yet asked of the provider.
    Wanted,
    /// The provider is making the machine.
    Provisioning,
    /// The machine exists and is coming up; the starting point is being laid out.
    Starting,
    /// Ready.
    Running,
    /// On its way to sleep.
    Stopping,
    /// No process; files kept.
    Asleep,
    /// It could not be started; `failure` says why and what mends it.
    Failed,
    /// Being taken away for good.
    Destroying,
}

wire! {
    /// A channel's machine, as a person sees it.
    pub struct Sandbox {
        /// Where it is in its life.
        pub state: SandboxState,
        /// When it entered that state.
        pub since: UnixMillis,
        /// What is being done, or was last done, to bring it up; in order.
        pub steps: Vec<Step>,
        /// How it reaches the network; unknown until it first started.
        pub network: Option<NetworkMode>,
        /// One sentence on the network: why it is not `full`, what that means.
        pub network_note: Option<String>,
        /// What limits hold, in words, such as "4 GB of memory, 2 CPUs, 512 tasks".
        pub limits: Option<String>,
        /// What is installed in it; unknown until it first started.
        pub inventory: Option<Inventory>,
        /// Whether its SSH connection stands.
        pub connection: Connection,
        /// Why it failed, with what was kept and what to do.
        pub failure: Option<RpcError>,
    }

    /// One visible step on the way up.
    pub struct Step {
        /// A stable name, such as `files`, `start`, `inventory`, `clone`, `server`.
        pub id: String,
        /// What is (or was) done, in words.
        pub label: String,
        /// A detail, such as versions found or a progress percentage in words.
        pub detail: Option<String>,
        /// How it stands.
        pub status: StepStatus,
        /// How long it took, once ended.
        pub duration_ms: Option<u64>,
    }

    /// What programs a sandbox offers.
    pub struct Inventory {
        /// In the order shown: Node, Python, Git, build tools, and what else was looked for.
        pub tools: Vec<InstalledTool>,
        /// The system's name, such as "Debian GNU/Linux 12 (bookworm)".
        pub system: Option<String>,
    }

    /// One program that was looked for.
    pub struct InstalledTool {
        /// As people name it: "Node", "Python", "Git", "C compiler".
        pub name: String,
        /// Its version, or nothing where it is missing.
        pub version: Option<String>,
        /// How to get it where it is missing.
        pub hint: Option<String>,
    }
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Not begun.
    Waiting,
    /// Being done.
    Running,
    /// Done.
    Done,
    /// It failed; the sandbox's `failure` says why.
    Failed,
}

wire! {
    /// Whether the SSH connection stands.
    #[serde(tag = "state", rename_all = "snake_case")]
    pub enum Connection {
        /// None is wanted now.
        Closed,
        /// Being made.
        Connecting,
        /// Standing.
        Connected,
        /// Lost.
        Reconnecting {
            /// How many tries have failed since it was lost.
            attempt: u32,
            /// What the last try said.
            reason: String,
            /// Whether the machine refused us: the next try comes when something is to be done, and not by itself.
            refused: bool,
        },
    }

    /// What a provider offers on this computer now.
    pub struct ProviderInfo {
        /// Which one.
        pub kind: ProviderKind,
        /// Its name as shown: "This computer".
        pub label: String,
        /// One sentence on what it is.
        pub note: String,
        /// Whether a channel can be made on it now.
        pub available: bool,
        /// Why not, and the mend.
        pub problem: Option<RpcError>,
    }
}
