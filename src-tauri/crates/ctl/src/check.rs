//! `berthctl check`: the contract of a sandbox, tried on a machine. No engine is needed for it.

use std::path::PathBuf;

use berth_engine::check::check;
use berth_engine::front::folders::Folders;
use berth_model::{Check, CheckReport, ErrorCode, RpcError};
use berth_ssh::{Address, Resolve, resolve};
use serde_json::json;

use crate::{Failure, print};

/// Prints the report. The failure says that the machine cannot be a sandbox.
pub async fn run(
    folders: &Folders,
    address: &str,
    identity: Option<PathBuf>,
    known_hosts: Option<PathBuf>,
    as_json: bool,
) -> Result<(), Failure> {
    let report = match made(folders, address, identity, known_hosts).await {
        Ok(report) => report,
        // Who reads JSON is told in JSON, whatever is wrong.
        Err(error) if as_json => {
            let check = Check {
                id: "config".to_owned(),
                label: "SSH configuration".to_owned(),
                ok: false,
                optional: false,
                overtaken: false,
                detail: error.message,
                hint: error.hint,
                duration_ms: 0,
                changed_key: None,
            };
            CheckReport { ok: false, checks: vec![check], round_trip_ms: None, text: String::new() }
        }
        Err(error) => return Err(error.into()),
    };
    if as_json {
        print(&json!({ "ok": report.ok, "checks": report.checks, "round_trip_ms": report.round_trip_ms }).to_string())?;
    } else {
        print(report.text.trim_end())?;
    }
    if report.ok { Ok(()) } else { Err(Failure::NoSandbox) }
}

async fn made(
    folders: &Folders,
    address: &str,
    identity: Option<PathBuf>,
    known_hosts: Option<PathBuf>,
) -> Result<CheckReport, RpcError> {
    let wrong = |error: &(dyn std::error::Error + 'static)| RpcError::from_error(ErrorCode::BadRequest, error);
    let address: Address = address.parse().map_err(|error| wrong(&error))?;
    for file in identity.iter().chain(&known_hosts) {
        if !file.is_file() {
            return Err(RpcError::new(ErrorCode::BadRequest, format!("There is no file {}.", file.display())));
        }
    }
    let own_known_hosts = folders.data.join("ssh/known_hosts");
    // Nobody is asked: what needs an answer fails and says so.
    let options = Resolve { identity, own_known_hosts, known_hosts, ..Resolve::default() };
    let resolved = resolve(&address, options).await.map_err(|error| wrong(&error))?;
    Ok(check(&resolved.target, &resolved.notes, &|_| {}).await)
}
