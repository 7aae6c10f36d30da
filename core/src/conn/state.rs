//! The life of a connection, as one table.
//!
//! Everything that moves a connection from one state to another is in
//! [`TRANSITIONS`]; this file knows no bytes, no time, and not which side we are.

/// Where a connection is in its life.
///
#[doc = include_str!("state.md")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Messages flow both ways.
    Open,
    /// Our Close is on its way and the peer's is awaited; its messages are still heard.
    Closing,
    /// Nothing more is heard: what is queued is sent, then the transport goes down.
    Draining,
    /// It is over: nothing is heard and nothing is sent.
    Closed,
}

/// What can happen to a connection as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// The caller closes.
    LocalClose,
    /// A Close frame arrived.
    PeerClose,
    /// The peer broke a rule.
    Violation,
    /// The transport will deliver no more bytes.
    Eof,
    /// The peer did not do in time what it had to.
    Overdue,
}

/// What a transition obliges us to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// Nothing.
    Nothing,
    /// Wait for the peer, but not for ever.
    Await,
    /// Send a Close frame, shut our direction down, and wait for the peer to do the same.
    CloseAndShutDown,
    /// Shut our direction down and wait for the peer to do the same.
    ShutDown,
    /// Send what is queued, then drop the transport.
    Disconnect,
    /// Drop the transport at once.
    Abort,
}

type Row = (State, Signal, State, Duty);

/// Every transition: from a state, by a signal, to a state, with a duty.
#[rustfmt::skip]
pub(super) const TRANSITIONS: [Row; 20] = [
    (State::Open,     Signal::LocalClose, State::Closing,  Duty::Await),
    (State::Open,     Signal::PeerClose,  State::Draining, Duty::CloseAndShutDown), // section 5.5.1
    (State::Open,     Signal::Violation,  State::Draining, Duty::CloseAndShutDown), // section 7.1.7
    (State::Open,     Signal::Eof,        State::Closed,   Duty::Disconnect),
    (State::Open,     Signal::Overdue,    State::Closed,   Duty::Abort),

    (State::Closing,  Signal::LocalClose, State::Closing,  Duty::Nothing),
    (State::Closing,  Signal::PeerClose,  State::Draining, Duty::ShutDown),         // section 7.1.1
    (State::Closing,  Signal::Violation,  State::Draining, Duty::ShutDown),
    (State::Closing,  Signal::Eof,        State::Closed,   Duty::Disconnect),
    (State::Closing,  Signal::Overdue,    State::Closed,   Duty::Abort),

    (State::Draining, Signal::LocalClose, State::Draining, Duty::Nothing),
    (State::Draining, Signal::PeerClose,  State::Draining, Duty::Nothing),
    (State::Draining, Signal::Violation,  State::Draining, Duty::Nothing),
    (State::Draining, Signal::Eof,        State::Closed,   Duty::Disconnect),
    (State::Draining, Signal::Overdue,    State::Closed,   Duty::Abort),

    (State::Closed,   Signal::LocalClose, State::Closed,   Duty::Nothing),
    (State::Closed,   Signal::PeerClose,  State::Closed,   Duty::Nothing),
    (State::Closed,   Signal::Violation,  State::Closed,   Duty::Nothing),
    (State::Closed,   Signal::Eof,        State::Closed,   Duty::Nothing),
    (State::Closed,   Signal::Overdue,    State::Closed,   Duty::Nothing),
];

impl State {
    /// The state after `signal`, and what is to be done about it.
    pub(super) fn after(self, signal: Signal) -> (Self, Duty) {
        TRANSITIONS
            .iter()
            .find(|row| row.0 == self && row.1 == signal)
            .map_or((self, Duty::Nothing), |row| (row.2, row.3))
    }

    /// Whether messages of the peer are still handed out.
    pub(super) const fn hears(self) -> bool {
        matches!(self, Self::Open | Self::Closing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 4] = [State::Open, State::Closing, State::Draining, State::Closed];
    const SIGNALS: [Signal; 5] = [
        Signal::LocalClose,
        Signal::PeerClose,
        Signal::Violation,
        Signal::Eof,
        Signal::Overdue,
    ];

    #[test]
    fn every_signal_in_every_state_has_exactly_one_row() {
        for state in STATES {
            for signal in SIGNALS {
                let rows = TRANSITIONS
                    .iter()
                    .filter(|row| row.0 == state && row.1 == signal);
                assert_eq!(rows.count(), 1, "{state:?} {signal:?}");
            }
        }
    }

    #[test]
    fn a_connection_never_goes_back() {
        let age = |state| STATES.iter().position(|s| *s == state);
        for (from, _, to, _) in TRANSITIONS {
            assert!(age(to) >= age(from), "{from:?} to {to:?}");
        }
    }

    #[test]
    fn a_lost_transport_or_a_missed_deadline_ends_it_from_anywhere() {
        for state in STATES {
            assert_eq!(state.after(Signal::Eof).0, State::Closed);
            assert_eq!(state.after(Signal::Overdue).0, State::Closed);
        }
    }

    #[test]
    fn a_close_frame_is_sent_at_most_once() {
        // Only from Open does a row send one, and no row leads back to Open.
        for (from, _, to, duty) in TRANSITIONS {
            if duty == Duty::CloseAndShutDown {
                assert_eq!((from, to), (State::Open, State::Draining));
            }
        }
    }
}
