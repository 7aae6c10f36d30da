//! The service manager, such as systemd: what it passes to this process, and what it is told.

mod manager;
mod sockets;
mod watchdog;

pub(crate) use manager::Manager;
pub(crate) use sockets::{Passed, Sockets};
pub(crate) use watchdog::beat;
