//! Abstract sockets belong to a network namespace. A sandbox that shares the computer's would reach those of the display
//! and of D-Bus, which ask for no password; Landlock keeps it from them, where the kernel is 6.12 or later.

use landlock::{CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetError, Scope};

/// Leaves this thread, and all that comes of it, the abstract sockets that they make themselves.
pub fn keep_to_own() -> Result<(), RulesetError> {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    ruleset.scope(Scope::AbstractUnixSocket)?.create()?.restrict_self().map(drop)
}
