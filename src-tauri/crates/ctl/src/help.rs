//! The table of commands as text, made from the types themselves.

use std::collections::BTreeMap;

use berth_model::{COMMANDS, typescript};

/// What the environment says.
pub const ENVIRONMENT: &str = "\
Environment:
  BERTH_DATA_DIR     the folder all state lives in
  BERTH_RUNTIME_DIR  the folder sockets live in; short, a socket's path has at most 103 bytes
  BERTH_LOG          what is logged to standard error, such as `debug` or `berth_engine=trace`

In scripts:
  berthctl call channel.create '{\"name\":\"demo\"}'
  berthctl call action.run '{\"channel\":\"demo\",\"command\":\"uname -a\"}' | jq -r .stdout";

/// Every command with what it does, its fields and its reply, and then the types they are made of.
pub fn commands() -> String {
    let text = typescript::generate();
    let (types, table) = text.split_once("/** Every command").unwrap_or((&text, ""));
    let types: BTreeMap<&str, String> = types.split("\n\nexport type ").skip(1).filter_map(declaration).collect();
    let table: BTreeMap<&str, (&str, &str)> = table.lines().filter_map(row).collect();
    let mut help = String::from("Commands (fields with ? may be left out):\n");
    for (name, what) in COMMANDS {
        let (request, response) = table.get(name).copied().unwrap_or_default();
        let fields = types.get(request).map_or(request, String::as_str);
        let fields = if request == "Empty" { "{}" } else { fields };
        let reply = if response == "Empty" { "{}" } else { response };
        help.push_str(&format!("\n  {name} {fields} -> {reply}\n      {what}\n"));
    }
    help.push_str("\nTypes:\n\n");
    let requests: Vec<&str> = table.values().map(|(request, _)| *request).collect();
    for (name, body) in types.iter().filter(|(name, _)| !requests.contains(name)) {
        help.push_str(&format!("  {name} = {body}\n"));
    }
    help
}

/// A type's name and its declaration in one line, without comments.
fn declaration(text: &str) -> Option<(&str, String)> {
    let (name, body) = text.split_once(" = ")?;
    let mut plain = String::new();
    let mut rest = body;
    while let Some((before, comment)) = rest.split_once("/**\n") {
        plain.push_str(before);
        rest = comment.split_once("\n */").map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = plain.trim_end_matches(';').replace(", }", " }").replace("{ }", "{}");
    Some((name, plain))
}

/// A line of the table: `"name": { request: A; response: B };`.
fn row(line: &str) -> Option<(&str, (&str, &str))> {
    let (name, types) = line.trim().strip_prefix('"')?.split_once("\": { request: ")?;
    let (request, response) = types.trim_end_matches(" };").split_once("; response: ")?;
    Some((name, (request, response)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_told_with_its_fields() {
        let help = commands();
        for (name, what) in COMMANDS {
            assert!(help.contains(&format!("\n  {name} {{")), "{name}\n{help}");
            assert!(help.contains(what), "{name}");
        }
        assert!(help.contains("channel.get { channel: ChannelRef, wait_s?: number } -> Channel"), "{help}");
        assert!(help.contains("  Encoding = \"utf8\" | \"base64\""), "{help}");
        assert!(!help.contains("/*") && !help.contains("export"), "{help}");
    }
}
