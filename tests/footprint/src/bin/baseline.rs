//! The board without the protocol: what is measured is how much larger `server` is.
#![no_std]
#![no_main]

use campanile_footprint::Board;
use cortex_m_rt::entry;

#[entry]
fn main() -> ! {
    static mut BUFFER: [u8; 64] = [0; 64];
    if let Some(mut board) = Board::take() {
        while board.millis() < u32::MAX {
            let count = board.read(BUFFER);
            board.write(BUFFER.get(..count).unwrap_or_default());
        }
    }
    loop {}
}
