//! A person's own machines.

use berth_model::{
    ChannelCreate, ChannelId, ChannelRef, Check, CheckOf, CheckReport, ConfigHosts, Empty, ErrorCode, EventBody,
    KeyForget, Machine, MachineAdd, MachineChange, MachineId, MachineRef, ProviderKind, RpcError, SandboxState,
};
use berth_ssh::Address;
use berth_store::{ChannelRecord, StoreError};

use crate::asker;
use crate::channel::usual_folder;
use crate::check;
use crate::engine::{Engine, new_record};
use crate::error::store_error;
use crate::hub::now;

/// Adds a machine. Nothing is asked of it yet.
pub async fn add(engine: &Engine, request: MachineAdd) -> Result<Machine, RpcError> {
    let address = address(&request.address)?;
    let name = request.name.unwrap_or_default();
    let name = if name.trim().is_empty() { address.clone() } else { name };
    let machine = Machine {
        id: MachineId::fresh(),
        name: checked_name(&name)?,
        address,
        identity: identity(request.identity)?,
        created_at: now(),
    };
    keep(engine, machine).await
}

/// Changes one. Channels on it go on as they are, and come to the new address when they connect anew.
pub async fn change(engine: &Engine, request: MachineChange) -> Result<Machine, RpcError> {
    let known = find(engine, &request.machine)?;
    let machine = Machine {
        name: checked_name(&request.name)?,
        address: address(&request.address)?,
        identity: identity(request.identity)?,
        ..known
    };
    keep(engine, machine).await
}

/// Forgets one that no channel is on, with what was kept of it in the keychain.
pub async fn remove(engine: &Engine, machine: &MachineRef) -> Result<Empty, RpcError> {
    let machine = find(engine, machine)?;
    let world = &engine.0.world;
    world.store.delete_machine(&machine.id).await.map_err(store_error)?;
    world.said.forget(&machine.id);
    world.hub.machines(world.store.machines().await.map_err(store_error)?);
    if let Err(error) = world.keychain.delete(&asker::item(&machine.id)).await {
        tracing::warn!(%error, machine = %machine.id, "what opened a machine is still in the keychain");
    }
    Ok(Empty {})
}

/// The hosts of `~/.ssh/config`.
pub async fn hosts(_: &Engine) -> Result<ConfigHosts, RpcError> {
    // Files are read, which may be on a slow disk.
    let read = tokio::task::spawn_blocking(|| berth_ssh::hosts(None)).await;
    let (hosts, notes) = read.map_err(|error| RpcError::from_error(ErrorCode::Failed, &error))?;
    Ok(ConfigHosts { hosts, notes })
}

/// Connects to a machine step by step and tries what a sandbox needs.
pub async fn check(engine: &Engine, machine: &MachineRef) -> Result<CheckReport, RpcError> {
    let machine = find(engine, machine)?;
    let of = CheckOf::Machine { id: machine.id.clone() };
    check_machine(engine, machine, of).await
}

async fn check_machine(engine: &Engine, machine: Machine, of: CheckOf) -> Result<CheckReport, RpcError> {
    let checking = async {
        let resolved = engine.0.world.own_machine(machine).resolve().await?;
        Ok(check::check(&resolved.target, &resolved.notes, &tell(engine, &of)).await)
    };
    engine.0.world.checks.make(&of, checking).await
}

/// Forgets a key that Berth has written down itself.
pub async fn forget_key(engine: &Engine, ask: KeyForget) -> Result<Empty, RpcError> {
    let own = engine.0.world.known_hosts.clone();
    let forget = move || berth_ssh::forget_host_key(&own, &ask.host, &ask.fingerprint);
    let forgotten = tokio::task::spawn_blocking(forget).await.map_err(std::io::Error::other).flatten();
    match forgotten {
        Ok(true) => Ok(Empty {}),
        Ok(false) => Err(RpcError::new(ErrorCode::NotFound, "Berth knows no such key of this machine.")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(RpcError::new(ErrorCode::NotFound, "Berth has written down no machine’s key yet."))
        }
        Err(error) => Err(RpcError::from_error(ErrorCode::Failed, &error)),
    }
}

/// Tells everybody what a check has found so far.
fn tell(engine: &Engine, of: &CheckOf) -> impl Fn(Vec<Check>) + Send + Sync {
    move |checks| engine.0.world.hub.event(EventBody::Checking { of: of.clone(), checks })
}

/// The same for a channel's sandbox, wherever it is. One that sleeps is not woken up for it.
pub async fn check_channel(engine: &Engine, channel: &ChannelRef) -> Result<CheckReport, RpcError> {
    let handle = engine.handle(channel)?;
    let channel = handle.channel();
    let of = CheckOf::Channel { id: channel.id };
    if let Some(machine) = channel.machine {
        return check_machine(engine, find(engine, &MachineRef(machine.0))?, of).await;
    }
    match handle.live_now() {
        Some(live) => {
            let checking = async { Ok(check::check(&live.target, &[], &tell(engine, &of)).await) };
            engine.0.world.checks.make(&of, checking).await
        }
        None => {
            Err(RpcError::new(ErrorCode::NotRunning, "The sandbox does not run, so there is nothing to connect to.")
                .hint("Wake it up, then try again."))
        }
    }
}

/// What is written down of a channel that is to be made on a machine.
pub fn record(engine: &Engine, request: &ChannelCreate) -> Result<ChannelRecord, RpcError> {
    let Some(machine) = &request.machine else {
        return Err(RpcError::new(ErrorCode::BadRequest, "It is not said which machine the channel is to be on.")
            .hint("`machine.list` names the machines there are."));
    };
    let machine = find(engine, machine)?;
    let folder = request.folder.as_deref().map(str::trim).filter(|folder| !folder.is_empty());
    let folder = folder.map(|folder| folder.strip_prefix("~/").unwrap_or(folder).to_owned());
    let world = &engine.0.world;
    let (name, start) = (request.name.clone(), request.start.clone());
    Ok(ChannelRecord {
        provider: ProviderKind::Machine,
        machine: Some(machine.id),
        workdir: folder.unwrap_or_else(|| usual_folder(&name)),
        ..new_record(world, ChannelId::fresh(), name, SandboxState::Wanted, start)
    })
}

fn find(engine: &Engine, machine: &MachineRef) -> Result<Machine, RpcError> {
    let machines = engine.0.world.hub.machines_now();
    let by_id = machines.iter().find(|known| known.id.as_str() == machine.0);
    by_id.or_else(|| machines.iter().find(|known| known.name == machine.0)).cloned().ok_or_else(|| {
        RpcError::new(ErrorCode::NotFound, format!("There is no machine {:?}.", machine.0))
            .hint("`machine.list` names the machines there are.")
    })
}

async fn keep(engine: &Engine, machine: Machine) -> Result<Machine, RpcError> {
    let world = &engine.0.world;
    match world.store.keep_machine(machine.clone()).await {
        Ok(()) => {}
        Err(StoreError::NameTaken(name)) => {
            return Err(RpcError::new(ErrorCode::Conflict, format!("There is already a machine named {name:?}."))
                .hint("Choose another name."));
        }
        Err(error) => return Err(store_error(error)),
    }
    world.hub.machines(world.store.machines().await.map_err(store_error)?);
    Ok(machine)
}

fn address(text: &str) -> Result<String, RpcError> {
    let text = text.trim();
    text.parse::<Address>().map_err(|error| RpcError::from_error(ErrorCode::BadRequest, &error))?;
    Ok(text.to_owned())
}

fn checked_name(name: &str) -> Result<String, RpcError> {
    let name = name.trim();
    if (1..=60).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(RpcError::new(ErrorCode::BadRequest, "A machine’s name has 1 to 60 characters."))
}

/// A private key's file, absolute; `~/` is the person's home.
fn identity(file: Option<String>) -> Result<Option<String>, RpcError> {
    let Some(file) = file.map(|file| file.trim().to_owned()).filter(|file| !file.is_empty()) else { return Ok(None) };
    let path = match file.strip_prefix("~/").zip(std::env::home_dir()) {
        Some((rest, home)) => home.join(rest),
        None => file.into(),
    };
    if !path.is_absolute() || !path.is_file() {
        return Err(RpcError::new(ErrorCode::BadRequest, format!("There is no key file {}.", path.display())));
    }
    Ok(Some(path.display().to_string()))
}
