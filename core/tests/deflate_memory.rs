//! What compression takes of memory is what the documentation says.
#![cfg(all(feature = "alloc", feature = "deflate"))]

use allocation_counter::measure;
use campanile_core::{
    conn::Config,
    deflate::{
        DEFLATER_BYTES, Deflater, Direction, INFLATER_BYTES, Inflater, Level, Settings, WindowBits,
    },
};

fn directions() -> impl Iterator<Item = Direction> {
    (8..=15).map(|bits| Direction {
        window: WindowBits::new(bits).expect("8 to 15"),
        takeover: true,
    })
}

#[test]
fn a_compressor_takes_what_the_formula_says_at_every_level() {
    let message = b"some text of a message, some text, ".repeat(100);
    for direction in directions() {
        let window = direction.window.bytes().max(512);
        let formula = window * 15 / 2 + DEFLATER_BYTES;
        for level in 1..=9 {
            let level = Level::new(level).expect("1 to 9");
            let mut out = Vec::with_capacity(100_000);
            let memory = measure(|| {
                let mut deflater = Deflater::new(direction, level);
                deflater.deflate(&message, true, &mut out);
                drop(deflater);
            });
            let most = usize::try_from(memory.bytes_max).expect("it is small");
            assert!(most <= formula, "{most} of {formula}");
            assert!(most + 8 * 1024 >= formula, "{most} is far below {formula}");
            assert_eq!(memory.bytes_current, 0);
        }
    }
}

#[test]
fn an_inflater_takes_what_the_formula_says() {
    for direction in directions() {
        let formula = direction.window.bytes() + INFLATER_BYTES;
        let memory = measure(|| {
            let config = Config::new();
            let inflater = Inflater::on_heap(direction, &Settings::server(), &config);
            drop(Box::new(inflater));
        });
        let most = usize::try_from(memory.bytes_max).expect("it is small");
        assert!(
            most <= formula && most + 1024 >= formula,
            "{most} of {formula}"
        );
        assert_eq!(memory.bytes_current, 0);
    }
}
