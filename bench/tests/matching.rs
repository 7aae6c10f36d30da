//! The candidates of the matching, held against each other. The process is the test's own, for it
//! counts allocations.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn all_candidates_find_the_same_and_the_index_allocates_nothing_while_publishing() {
    for subscriptions in [1, 30, 300] {
        assert_eq!(campanile_bench::check_matching(subscriptions), Ok(()));
    }
}
