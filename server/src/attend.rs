//! What the running server is told from outside: to end, or to read its configuration again.

use core::time::Duration;
use std::{future::Future, io, os::unix::net::UnixStream, sync::Arc};

use campanile_core::server::Options;
use signal_hook::{consts::SIGHUP, low_level::pipe};
use smol::{Async, Timer, future, io::AsyncReadExt as _};

use crate::{
    reload::Live,
    service::{self, Manager},
    stop,
};

/// How often the log says how many events it has left out, if any.
const TELL_LEFT_OUT: Duration = Duration::from_secs(1);

/// How often the lists of what is revoked are looked at: who is in one is closed within a second, of which
/// the hubs take a quarter.
const WATCH: Duration = Duration::from_millis(500);

/// The signals that mean something to the server: those that [end](stop::signalled) it, and SIGHUP.
pub(crate) struct Signals<E> {
    end: E,
    reload: Async<UnixStream>,
}

/// Takes them from now on.
///
/// # Errors
/// The system refuses a handler or a descriptor.
pub(crate) fn signals() -> io::Result<Signals<impl Future<Output = ()>>> {
    let end = stop::signalled()?;
    let (reload, write) = UnixStream::pair()?;
    pipe::register(SIGHUP, write)?;
    let reload = Async::new(reload)?;
    Ok(Signals { end, reload })
}

/// Does what the signals say, with `reconfigure` to put other options in force, and tells the `manager` how
/// it goes, with `turn` to find out, which is done when all that serves has made progress; is done when the
/// server is to end.
pub(crate) async fn attend(
    signals: Signals<impl Future<Output = ()>>,
    mut live: Live,
    manager: Manager,
    turn: impl AsyncFn(),
    reconfigure: impl Fn(Options),
) {
    let log = Arc::clone(&live.log);
    let Signals { end, mut reload } = signals;
    let reloading = async {
        // Signals that have come together are one.
        let mut signals = [0; 64];
        loop {
            let signalled = async { Some(reload.read(&mut signals).await.is_ok()) };
            let watching = async {
                match live.watches() {
                    true => drop(Timer::after(WATCH).await),
                    false => future::pending().await,
                }
                None
            };
            match future::or(signalled, watching).await {
                Some(true) => {
                    manager.reloading().await;
                    if live.reload(&reconfigure).await {
                        manager.ready().await;
                    } else {
                        manager.ready_as_before().await;
                    }
                }
                None => live.reload_revoked(&reconfigure).await,
                Some(false) => break,
            }
        }
        future::pending().await
    };
    let beating = async {
        match manager.interval() {
            Some(interval) => service::beat(interval, turn, async || manager.beat().await).await,
            None => future::pending().await,
        }
    };
    let telling = async {
        loop {
            Timer::after(TELL_LEFT_OUT).await;
            log.tell_left_out();
        }
    };
    manager.ready().await;
    future::or(end, future::or(reloading, future::or(beating, telling))).await;
    manager.stopping(live.time_to_end()).await;
}
