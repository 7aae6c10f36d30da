//! What the running server is told from outside: to end, or to read its configuration again.

use core::time::Duration;
use std::{
    io,
    os::unix::net::UnixStream,
    sync::{Arc, atomic::AtomicBool},
};

use campanile_core::server::Options;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
    low_level::pipe,
};
use smol::{Async, Timer, future, io::AsyncReadExt as _};

use crate::reload::Live;

/// The exit code when the server is told a second time to end, and does so at once.
const AT_ONCE: i32 = 1;

/// How often the log says how many events it has left out, if any.
const TELL_LEFT_OUT: Duration = Duration::from_secs(1);

/// The signals that mean something to the server. From the first SIGTERM or SIGINT on, another one
/// ends the process at once.
#[derive(Debug)]
pub(crate) struct Signals {
    end: Async<UnixStream>,
    reload: Async<UnixStream>,
}

impl Signals {
    /// Takes them from now on.
    ///
    /// # Errors
    /// The system refuses a handler or a descriptor.
    pub(crate) fn take() -> io::Result<Self> {
        let (end, write) = UnixStream::pair()?;
        let once = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal only arms it.
            flag::register_conditional_shutdown(signal, AT_ONCE, Arc::clone(&once))?;
            flag::register(signal, Arc::clone(&once))?;
            pipe::register(signal, write.try_clone()?)?;
        }
        let (reload, write) = UnixStream::pair()?;
        pipe::register(SIGHUP, write)?;
        Ok(Self {
            end: Async::new(end)?,
            reload: Async::new(reload)?,
        })
    }
}

/// Does what the signals say, with `reconfigure` to put other options in force; is done when the server is
/// to end.
pub(crate) async fn attend(signals: Signals, mut live: Live, reconfigure: impl Fn(Options)) {
    let log = Arc::clone(&live.log);
    let Signals { end, mut reload } = signals;
    let ending = async {
        // That fails only where nothing can be waited for.
        let _ = end.readable().await;
    };
    let reloading = async {
        // Signals that have come together are one.
        let mut signals = [0; 64];
        while reload.read(&mut signals).await.is_ok() {
            live.reload(&reconfigure).await;
        }
        future::pending().await
    };
    let telling = async {
        loop {
            Timer::after(TELL_LEFT_OUT).await;
            log.tell_left_out();
        }
    };
    future::or(ending, future::or(reloading, telling)).await;
}
