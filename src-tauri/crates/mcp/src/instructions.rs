//! What a model is told of where it is.

use berth_model::{Channel, NetworkMode};

/// The server's instructions for this channel, as its sandbox stands now.
pub fn of(channel: &Channel) -> String {
    let mut text = format!(
        "These tools act in the sandbox of the Berth channel \"{}\": a Linux machine of its own, apart from the \
         computer of the person you work for. Relative paths and commands start from {}. What you do here is shown \
         to the person as it happens, and files stay.\n",
        channel.name, channel.workdir
    );
    let sandbox = &channel.sandbox;
    if let Some(inventory) = &sandbox.inventory {
        let has: Vec<String> = inventory
            .tools
            .iter()
            .filter_map(|tool| tool.version.as_ref().map(|version| format!("{} {version}", tool.name)))
            .collect();
        let lacks: Vec<&str> =
            inventory.tools.iter().filter(|tool| tool.version.is_none()).map(|tool| tool.name.as_str()).collect();
        if !has.is_empty() {
            text.push_str(&format!("Installed: {}.\n", has.join(", ")));
        }
        if !lacks.is_empty() {
            text.push_str(&format!("Not installed: {}.\n", lacks.join(", ")));
        }
    }
    text.push_str(match sandbox.network {
        Some(NetworkMode::Proxied) => {
            "Network: HTTP and HTTPS only, through the proxy that http_proxy and https_proxy name.\n"
        }
        Some(NetworkMode::Full | NetworkMode::Host) => "Network: open.\n",
        None => "",
    });
    if let Some(limits) = &sandbox.limits {
        text.push_str(&format!("Limits: {limits}.\n"));
    }
    text.push_str(
        "To show a web page or an app: start its server with `run` and `background: true`, look at `job_output` until \
         it listens, then call `preview_open` with its port and give the person the address.",
    );
    text
}
