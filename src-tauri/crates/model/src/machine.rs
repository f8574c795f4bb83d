//! A person's own machines: what is known of them, what they are asked, and what a check of one found.

use crate::{ChannelId, MachineId, QuestionId, UnixMillis, wire};

wire! {
    /// A machine that channels can be made on.
    pub struct Machine {
        /// Its id, which never changes.
        pub id: MachineId,
        /// What it is called; no other machine is.
        pub name: String,
        /// How it is reached, as the person said: `user@host:port`, or a name of `~/.ssh/config`.
        pub address: String,
        /// A private key to try first.
        pub identity: Option<String>,
        /// When it was added.
        pub created_at: UnixMillis,
    }

    /// A machine to add.
    pub struct MachineAdd {
        /// `user@host:port`, `ssh://user@host:port`, or a name of `~/.ssh/config`; user and port may be left out.
        pub address: String,
        /// What to call it; the address without it.
        #[serde(default)] #[ts(optional)]
        pub name: Option<String>,
        /// A private key to try first.
        #[serde(default)] #[ts(optional)]
        pub identity: Option<String>,
    }

    /// What a machine should be from now on.
    pub struct MachineChange {
        /// Which.
        pub machine: MachineRef,
        /// Its name.
        pub name: String,
        /// Its address.
        pub address: String,
        /// A private key to try first.
        #[serde(default)] #[ts(optional)]
        pub identity: Option<String>,
    }

    /// Names a machine.
    pub struct MachineName {
        /// Its id or name.
        pub machine: MachineRef,
    }

    /// All machines.
    pub struct MachineList {
        /// By name.
        pub machines: Vec<Machine>,
    }

    /// What `~/.ssh/config` offers.
    pub struct ConfigHosts {
        /// Its hosts that are no patterns, in its order.
        pub hosts: Vec<String>,
        /// What of it is not understood, and what that means.
        pub notes: Vec<String>,
    }

    /// What a check of a machine found.
    pub struct CheckReport {
        /// Whether it can be a sandbox.
        pub ok: bool,
        /// In the order they were made: first how the connection came about, then what the machine can do.
        pub checks: Vec<Check>,
        /// The time of one round trip to it and back; unknown where it was not reached.
        pub round_trip_ms: Option<f64>,
        /// All of it as text, without secrets: to be copied.
        pub text: String,
    }

    /// What is checked.
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum CheckOf {
        /// A person's own machine.
        Machine {
            /// Which.
            id: MachineId,
        },
        /// A channel's sandbox, wherever it is.
        Channel {
            /// Which channel.
            id: ChannelId,
        },
    }

    /// One thing that was looked at.
    pub struct Check {
        /// A stable name, such as `tcp`, `host-key`, `shell`, `disk`.
        pub id: String,
        /// What was looked at, in words.
        pub label: String,
        /// Whether it is as it should be.
        pub ok: bool,
        /// Whether a machine that fails here can still be a sandbox, with less.
        pub optional: bool,
        /// Whether it failed and another way was found: a key that was refused before the one that was not, an address
        /// that did not answer before the one that did.
        pub overtaken: bool,
        /// What was found.
        pub detail: String,
        /// What to do, where something is wrong.
        #[serde(skip_serializing_if = "Option::is_none", default)] #[ts(optional)]
        pub hint: Option<String>,
        /// How long it took.
        pub duration_ms: u64,
        /// The machine's key, where it is not the one that is known.
        #[serde(skip_serializing_if = "Option::is_none", default)] #[ts(optional)]
        pub changed_key: Option<ChangedKey>,
    }

    /// A machine's key that is not the one that is known.
    pub struct ChangedKey {
        /// The machine, as it is written into the file of known hosts. It may be a jump host on the way.
        pub host: String,
        /// The fingerprint that is known: `SHA256:…`.
        pub known: String,
        /// The fingerprint that it shows.
        pub shown: String,
        /// The file that has the known one.
        pub file: String,
        /// Whether that file is Berth's own: only what Berth has written down can be forgotten by it.
        pub ours: bool,
    }

    /// Which key to forget.
    pub struct KeyForget {
        /// The machine, as it is written into Berth's own file of known hosts.
        pub host: String,
        /// The fingerprint that is known: `SHA256:…`. Other keys of the machine stay.
        pub fingerprint: String,
    }

    /// Something that only a person can answer before a machine lets us in.
    pub struct Question {
        /// Its id.
        pub id: QuestionId,
        /// What it is asked for: a machine's name.
        pub machine: String,
        /// What is asked.
        pub ask: Ask,
    }

    /// What is asked.
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum Ask {
        /// Whether a machine that was never seen is the right one. Any answer means yes.
        HostKey {
            /// Its name or address, as it is written into the file of known hosts.
            host: String,
            /// The kind of its key, such as `ssh-ed25519`.
            algorithm: String,
            /// The key's fingerprint: `SHA256:…`.
            fingerprint: String,
        },
        /// The password of an account.
        Password {
            /// Whose.
            user: String,
            /// Where.
            host: String,
            /// Whether the one before was refused.
            again: bool,
        },
        /// What a private key is encrypted with.
        Passphrase {
            /// The key's file.
            file: String,
            /// Whether the one before was wrong.
            again: bool,
        },
        /// What the machine asks in its own words: a one-time code, most often. One answer each.
        Prompts {
            /// The machine's title for it.
            title: String,
            /// What it says before.
            instructions: String,
            /// What it asks.
            prompts: Vec<Prompt>,
        },
    }

    /// One thing that a machine asks in its own words.
    pub struct Prompt {
        /// What it asks.
        pub text: String,
        /// Whether the answer may be seen while it is typed.
        pub echo: bool,
    }

    /// The answer to a question.
    pub struct QuestionAnswer {
        /// Which.
        pub question: QuestionId,
        /// One for each thing that was asked.
        pub answers: Vec<Hidden>,
        /// Keep it in the operating system's keychain.
        #[serde(default)]
        #[ts(as = "Option<bool>", optional)]
        pub remember: bool,
    }

    /// Names a question.
    pub struct QuestionName {
        /// Which.
        pub question: QuestionId,
    }
}

/// How a caller names a machine: by id or by its current name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, ts_rs::TS)]
#[serde(transparent)]
#[ts(type = "string")]
pub struct MachineRef(pub String);

/// A secret on its way in. It is shown to nobody, and does not go out.
#[derive(Clone, PartialEq, Eq, serde::Deserialize, ts_rs::TS)]
#[serde(transparent)]
#[ts(type = "string")]
pub struct Hidden(pub String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

impl serde::Serialize for Hidden {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("a secret does not go out"))
    }
}
