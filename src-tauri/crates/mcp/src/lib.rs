//! A channel's sandbox as an MCP server: the hands of any MCP client.
//!
//! [`BerthServer`] offers ten tools and knows nothing of how commands are carried out: it calls them by name through a
//! [`Toolbox`]. It is served over stdio by `berthctl mcp`, and by [`http`] on loopback.
//!
//! Texts here are read by models. They say what came of a call, what is missing from it and how to get that, and what
//! to do after a failure. A failure of a tool is a tool's result (`isError`), never an error of the protocol, because
//! clients do not show those to the model.
//!
//! Structured content is given only where it says all that the text says: clients that find it show the model nothing
//! else.
//!
//! Deliberately not here: approvals (the engine decides), and resources, prompts or sampling.

mod cut;
mod engine;
pub mod http;
mod instructions;
mod run;
mod seen;
mod server;
mod toolbox;
mod tools;

pub use engine::EngineTools;
pub use server::BerthServer;
pub use toolbox::Toolbox;
