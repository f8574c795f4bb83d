//! What crosses a socket, one JSON object a line: read with care, because anybody can write a line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use berth_model::{Author, ChannelRef, ErrorCode, Event, RpcError, TerminalId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::TerminalInput;

/// What a client says.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage {
    /// Who it is, for the calls that follow.
    Hello(Author),
    /// A command of the table.
    Call { id: u64, name: String, payload: Value },
    /// It wants the snapshot and the events.
    Subscribe { id: u64 },
    /// It wants a terminal.
    OpenTerminal { id: u64, channel: ChannelRef, cols: u16, rows: u16 },
    /// It does something in a terminal.
    Terminal { terminal: TerminalId, input: TerminalInput },
    /// It needs a terminal no more.
    CloseTerminal(TerminalId),
    /// It needs a running call no more.
    Cancel(u64),
}

/// What an engine says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ServerMessage {
    /// A call's result. A subscription's comes again whenever events were lost: start anew from it.
    Ok { id: u64, ok: Value },
    /// A call's error, or, without an id, what is wrong with a line.
    Error { id: Option<u64>, error: RpcError },
    /// Something changed.
    Event { event: Box<Event> },
    /// A terminal printed; Base64.
    Data { terminal: TerminalId, data: String },
    /// A terminal ended.
    Exit { terminal: TerminalId, exit: Option<i32> },
}

impl ServerMessage {
    /// The line, without its newline.
    pub fn to_line(&self) -> String {
        // Every type in here has string keys and no fallible serialiser.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A line that means nothing, and the call it seems to belong to.
#[derive(Debug, Clone, PartialEq)]
pub struct Unreadable {
    pub id: Option<u64>,
    pub error: RpcError,
}

/// Reads a client's line.
pub fn parse(line: &str) -> Result<ClientMessage, Unreadable> {
    let value: Value =
        serde_json::from_str(line).map_err(|error| unreadable(None, format!("The line is no JSON: {error}.")))?;
    let Value::Object(mut object) = value else {
        return Err(unreadable(None, "The line is no JSON object."));
    };
    let id = object.get("id").and_then(Value::as_u64);
    read(id, &mut object).map_err(|message| unreadable(id, message))
}

/// Encodes bytes for a line.
pub fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

fn unreadable(id: Option<u64>, message: impl Into<String>) -> Unreadable {
    let error = RpcError::new(ErrorCode::BadRequest, message)
        .hint("One JSON object a line, such as {\"id\":1,\"call\":\"channel.list\",\"payload\":{}}.");
    Unreadable { id, error }
}

fn read(id: Option<u64>, object: &mut Map<String, Value>) -> Result<ClientMessage, String> {
    let need_id = || id.ok_or_else(|| "`id` must be a whole number from 0 on.".to_owned());
    if let Some(hello) = object.remove("hello") {
        return read_hello(hello).map(ClientMessage::Hello);
    }
    if let Some(name) = object.remove("call") {
        let Value::String(name) = name else { return Err("`call` must be a command's name.".to_owned()) };
        let payload = object.remove("payload").unwrap_or(Value::Null);
        return Ok(ClientMessage::Call { id: need_id()?, name, payload });
    }
    if let Some(wanted) = object.remove("subscribe") {
        return match wanted {
            Value::Bool(true) => Ok(ClientMessage::Subscribe { id: need_id()? }),
            _ => Err("`subscribe` must be true; a subscription ends with its connection.".to_owned()),
        };
    }
    if let Some(cancel) = object.remove("cancel") {
        let id = cancel.as_u64().ok_or("`cancel` must be the id of a running call.")?;
        return Ok(ClientMessage::Cancel(id));
    }
    match object.remove("terminal") {
        Some(Value::Object(open)) => {
            let open = open.get("open").cloned().unwrap_or(Value::Null);
            let open: Open = serde_json::from_value(open).map_err(|error| format!("`terminal.open`: {error}."))?;
            if open.cols == 0 || open.rows == 0 {
                return Err("A terminal has at least one column and one row.".to_owned());
            }
            Ok(ClientMessage::OpenTerminal { id: need_id()?, channel: open.channel, cols: open.cols, rows: open.rows })
        }
        Some(Value::String(terminal)) => read_terminal(TerminalId(terminal), object),
        Some(_) => Err("`terminal` must be an id, or an object with `open`.".to_owned()),
        None => Err("One of `hello`, `call`, `subscribe`, `cancel` and `terminal` is needed.".to_owned()),
    }
}

#[derive(Deserialize)]
struct Open {
    channel: ChannelRef,
    cols: u16,
    rows: u16,
}

fn read_hello(hello: Value) -> Result<Author, String> {
    #[derive(Deserialize)]
    struct Hello {
        author: Author,
    }
    serde_json::from_value::<Hello>(hello).map(|hello| hello.author).map_err(|error| format!("`hello`: {error}."))
}

fn read_terminal(terminal: TerminalId, object: &mut Map<String, Value>) -> Result<ClientMessage, String> {
    if let Some(data) = object.remove("write") {
        let data = data.as_str().ok_or("`write` must be Base64.")?;
        let data = BASE64.decode(data).map_err(|error| format!("`write` must be Base64: {error}."))?;
        return Ok(ClientMessage::Terminal { terminal, input: TerminalInput::Write(Bytes::from(data)) });
    }
    if let Some(size) = object.remove("resize") {
        let (cols, rows) = serde_json::from_value(size).map_err(|_| "`resize` must be [columns, rows].".to_owned())?;
        if cols == 0 || rows == 0 {
            return Err("A terminal has at least one column and one row.".to_owned());
        }
        return Ok(ClientMessage::Terminal { terminal, input: TerminalInput::Resize { cols, rows } });
    }
    match object.remove("close") {
        Some(Value::Bool(true)) => Ok(ClientMessage::CloseTerminal(terminal)),
        _ => Err("A terminal takes `write`, `resize` or `close`.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read_value(value: &Value) -> Result<ClientMessage, Unreadable> {
        parse(&value.to_string())
    }

    #[test]
    fn every_kind_of_line_is_understood() {
        let agent = Author::Agent { name: "x".to_owned() };
        let cases = [
            (json!({"hello": {"author": {"kind": "agent", "name": "x"}}}), ClientMessage::Hello(agent)),
            (
                json!({"id": 7, "call": "channel.list"}),
                ClientMessage::Call { id: 7, name: "channel.list".to_owned(), payload: Value::Null },
            ),
            (json!({"id": 0, "subscribe": true}), ClientMessage::Subscribe { id: 0 }),
            (
                json!({"id": 3, "terminal": {"open": {"channel": "x", "cols": 80, "rows": 24}}}),
                ClientMessage::OpenTerminal { id: 3, channel: ChannelRef("x".to_owned()), cols: 80, rows: 24 },
            ),
            (
                json!({"terminal": "t", "write": "aGk="}),
                ClientMessage::Terminal {
                    terminal: TerminalId("t".to_owned()),
                    input: TerminalInput::Write(Bytes::from_static(b"hi")),
                },
            ),
            (
                json!({"terminal": "t", "resize": [100, 30]}),
                ClientMessage::Terminal {
                    terminal: TerminalId("t".to_owned()),
                    input: TerminalInput::Resize { cols: 100, rows: 30 },
                },
            ),
            (json!({"terminal": "t", "close": true}), ClientMessage::CloseTerminal(TerminalId("t".to_owned()))),
            (json!({"cancel": 9}), ClientMessage::Cancel(9)),
        ];
        for (line, meant) in cases {
            assert_eq!(read_value(&line), Ok(meant), "{line}");
        }
    }

    #[test]
    fn a_wrong_line_is_answered_to_the_call_it_names() {
        let wrong = [
            json!({"id": 5}),
            json!({"id": 5, "call": 3}),
            json!({"id": 5, "subscribe": false}),
            json!({"id": 5, "terminal": {"open": {"channel": "x", "cols": 0, "rows": 1}}}),
            json!({"id": 5, "terminal": {"open": {"channel": "x", "cols": 70000, "rows": 1}}}),
            json!({"id": 5, "hello": {"author": {"kind": "stranger"}}}),
            json!({"id": 5, "terminal": "t", "write": "%"}),
        ];
        for line in wrong {
            let unreadable = read_value(&line).expect_err("is wrong");
            assert_eq!((unreadable.id, unreadable.error.code), (Some(5), ErrorCode::BadRequest), "{line}");
        }
        assert_eq!(read_value(&json!({"call": "app.info"})).expect_err("has no id").id, None);
        assert_eq!(read_value(&json!({"id": -1, "call": "app.info"})).expect_err("no such id").id, None);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let key = prop_oneof![
            Just("id"),
            Just("hello"),
            Just("call"),
            Just("payload"),
            Just("subscribe"),
            Just("terminal"),
            Just("open"),
            Just("write"),
            Just("resize"),
            Just("close"),
            Just("cancel"),
            Just("author"),
            Just("kind"),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key.clone(), inner), 0..6)
                    .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_reader(line in "\\PC*") {
            let _ = parse(&line);
        }

        #[test]
        fn no_object_breaks_the_reader_and_a_refusal_says_why(value in any_json()) {
            if let Err(unreadable) = read_value(&value) {
                prop_assert_eq!(unreadable.error.code, ErrorCode::BadRequest);
                prop_assert!(!unreadable.error.message.is_empty());
                prop_assert_eq!(unreadable.id, value.get("id").and_then(Value::as_u64));
            }
        }

        #[test]
        fn typed_bytes_arrive_as_they_were(bytes: Vec<u8>) {
            let line = json!({"terminal": "t", "write": encode(&bytes)});
            let input = TerminalInput::Write(Bytes::from(bytes));
            prop_assert_eq!(read_value(&line), Ok(ClientMessage::Terminal { terminal: TerminalId("t".to_owned()), input }));
        }
    }
}
