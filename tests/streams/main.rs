//! The `Stream` of either runtime, the same tests for both: over real sockets, against the other's, and over
//! a transport that cuts, delays and fails as it likes.

// `clippy.toml` allows it in tests, and does not see that their helpers are tests too.
#![allow(clippy::unwrap_used, clippy::unwrap_in_result)]

/// Makes functions, which are generic over a runtime, tests of each.
macro_rules! on_each_runtime {
    ($($test:ident)*) => {
        mod on_smol {
            $(#[test] fn $test() { super::$test::<crate::support::Smol>(); })*
        }
        mod on_std {
            $(#[test] fn $test() { super::$test::<crate::support::Std>(); })*
        }
    };
}

/// The same with functions that are generic over the runtime of a client and that of a server.
macro_rules! on_each_pair {
    ($($test:ident)*) => {
        on_each_pair!(smol_with_smol, Smol, Smol: $($test)*);
        on_each_pair!(smol_with_std, Smol, Std: $($test)*);
        on_each_pair!(std_with_smol, Std, Smol: $($test)*);
        on_each_pair!(std_with_std, Std, Std: $($test)*);
    };
    ($pair:ident, $client:ident, $server:ident: $($test:ident)*) => {
        mod $pair {
            use crate::support::{$client as ItsClient, $server as ItsServer};
            $(#[test] fn $test() { super::$test::<ItsClient, ItsServer>(); })*
        }
    };
}

mod compressing;
mod cutting;
mod ending;
mod opening;
mod support;
mod talking;
mod together;
