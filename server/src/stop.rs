//! The signals that end the program.

use std::{
    future::Future,
    io,
    os::unix::net::UnixStream,
    sync::{Arc, atomic::AtomicBool},
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
    low_level::pipe,
};
use smol::Async;

/// The exit code when the server is told a second time to end, and does so at once.
const AT_ONCE: i32 = 1;

/// Is done at the first SIGTERM or SIGINT. From then on another one ends the process at once.
///
/// # Errors
/// The system refuses a handler or a descriptor.
pub(crate) fn signalled() -> io::Result<impl Future<Output = ()>> {
    let (read, write) = UnixStream::pair()?;
    let read = Async::new(read)?;
    let once = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // In this order: the first signal only arms it.
        flag::register_conditional_shutdown(signal, AT_ONCE, Arc::clone(&once))?;
        flag::register(signal, Arc::clone(&once))?;
        pipe::register(signal, write.try_clone()?)?;
    }
    Ok(async move {
        // That fails only where nothing can be waited for.
        let _ = read.readable().await;
    })
}
