//! What is allowed when. Pure, so that the whole table can be read and tested at once.
//!
//! ```text
//!            ┌────────────── wake ◄─────────────┐
//!            ▼                                  │
//!  wanted ─► starting ─► running ─ sleep ─► stopping ─► asleep
//!            │   ▲                                           │
//!     fails  ▼   │ wake                                      │
//!          failed                                            │
//!            └──────────── destroy (from anywhere) ──────────┴─► destroying ─► gone
//! ```
//!
//! Whether a sandbox that runs is reached is its connection's business, not its state's.

use berth_model::SandboxState;

/// What somebody asks of a channel's driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Be running.
    Wake,
    /// Be asleep.
    Sleep,
    /// Be gone.
    Destroy,
}

/// What the driver does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// It is so already.
    Nothing,
    /// It is on its way there: wait for it.
    Wait,
    /// Bring the sandbox up.
    Start,
    /// End its processes.
    Stop,
    /// Take it away, whatever goes on.
    Remove,
    /// Not now; the text says why.
    Refuse(&'static str),
}

/// What `wish` means in `state`.
pub fn decide(state: SandboxState, wish: Wish) -> Move {
    use SandboxState as S;
    match (wish, state) {
        (Wish::Destroy, S::Destroying) => Move::Wait,
        (Wish::Destroy, _) => Move::Remove,
        (_, S::Destroying) => Move::Refuse("This channel is being destroyed."),
        (Wish::Wake, S::Running) => Move::Nothing,
        // While it goes to sleep it cannot be started; once it is asleep, it is.
        (Wish::Wake, S::Wanted | S::Provisioning | S::Starting | S::Stopping) => Move::Wait,
        (Wish::Wake, S::Asleep | S::Failed) => Move::Start,
        (Wish::Sleep, S::Asleep) => Move::Nothing,
        (Wish::Sleep, S::Stopping) => Move::Wait,
        (Wish::Sleep, S::Running | S::Wanted | S::Provisioning | S::Starting | S::Failed) => Move::Stop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SandboxState as S;

    const ALL: [S; 8] =
        [S::Wanted, S::Provisioning, S::Starting, S::Running, S::Stopping, S::Asleep, S::Failed, S::Destroying];

    #[test]
    fn everything_can_be_destroyed_once() {
        for state in ALL {
            let expected = if state == S::Destroying { Move::Wait } else { Move::Remove };
            assert_eq!(decide(state, Wish::Destroy), expected, "{state:?}");
        }
    }

    #[test]
    fn a_sandbox_is_never_started_twice() {
        for state in [S::Wanted, S::Provisioning, S::Starting, S::Running] {
            assert_ne!(decide(state, Wish::Wake), Move::Start, "{state:?}");
        }
        for state in [S::Asleep, S::Failed] {
            assert_eq!(decide(state, Wish::Wake), Move::Start, "{state:?}");
        }
    }

    #[test]
    fn who_needs_it_while_it_goes_to_sleep_waits() {
        assert_eq!(decide(S::Stopping, Wish::Wake), Move::Wait);
    }

    #[test]
    fn nothing_wakes_what_is_being_destroyed() {
        assert!(matches!(decide(S::Destroying, Wish::Wake), Move::Refuse(_)));
        assert!(matches!(decide(S::Destroying, Wish::Sleep), Move::Refuse(_)));
    }
}
