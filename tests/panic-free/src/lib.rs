//! The public API of `campanile-core` as exported functions, for the proof that no input makes it
//! panic.
//!
//! Each function here is exported, so the optimiser knows nothing about its arguments, and calls
//! one entry point. The panic handler calls a function that nothing defines: the link succeeds
//! exactly when the optimiser has shown for every entry point that the handler is never reached.
//!
//! `.ci/panicfree` builds this, and also fails when the core has a `pub fn` or a hand-written
//! `impl` of a trait that is not named here. Names are written as `Type::function` and
//! `<Type as Trait>`, which is what it looks for.
#![no_std]

mod compiled;
mod conn;
#[cfg(feature = "deflate")]
mod deflate;
mod handshake;
mod notify;
mod proxy;
mod wire;

use core::panic::PanicInfo;

#[cfg(not(feature = "sites"))]
unsafe extern "C" {
    fn a_panic_path_is_left() -> !;
}

#[cfg(not(feature = "sites"))]
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: there is no such function, so this is never linked, and never runs.
    unsafe { a_panic_path_is_left() }
}

/// Uses the location, so that the linker keeps those of all the places that can panic.
#[cfg(feature = "sites")]
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    core::hint::black_box(info.location());
    loop {}
}

/// Exports the functions that format values of each type.
macro_rules! formats {
    ($(#[$attribute:meta])* $name:ident: $(<$type:ty as $trait:ident>;)*) => {
        $(#[$attribute])*
        #[unsafe(no_mangle)]
        pub static $name: (
            $(fn(&$type, &mut core::fmt::Formatter<'_>) -> core::fmt::Result,)*
        ) = ($(|value, f| <$type as core::fmt::$trait>::fmt(value, f),)*);
    };
}
use formats;

/// Exports the functions that compare values of each type.
macro_rules! comparisons {
    ($name:ident: $(<$type:ty as PartialEq> to $other:ty;)*) => {
        #[unsafe(no_mangle)]
        pub static $name: ($(fn(&$type, &$other) -> bool,)*) =
            ($(|one, other| <$type as PartialEq<$other>>::eq(one, other),)*);
    };
}
use comparisons;

/// Shows that the check is red when there is something to see.
#[cfg(feature = "broken")]
#[unsafe(no_mangle)]
pub fn broken(bytes: &[u8]) -> u8 {
    bytes[3]
}
