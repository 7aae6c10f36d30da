//! A notification hub on a microcontroller: an LM3S6965 with 64 KiB of RAM, as QEMU has it.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod board;
mod ethernet;
mod net;
mod registers;

use core::{fmt::Write as _, panic::PanicInfo};

use board::{Clock, Console};
use campanile_core::Instant;
use campanile_tiny_hub::{Hub, PLACES};
use cortex_m::{Peripherals, asm};
use cortex_m_rt::entry;
use ethernet::Ethernet;
use net::{Buffers, Net};
use smoltcp::{
    iface::{Config, Interface, PollResult, SocketStorage},
    time,
    wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr},
};
use static_cell::{ConstStaticCell, StaticCell};

/// A hardware address for local use. Two devices in one network need two.
const HARDWARE_ADDRESS: [u8; 6] = [0x02, 0, 0, 0x43, 0x41, 0x4d];

/// What QEMU's network for users expects of its first guest.
const ADDRESS: Ipv4Cidr = Ipv4Cidr::new(Ipv4Address::new(10, 0, 2, 15), 24);
const GATEWAY: Ipv4Address = Ipv4Address::new(10, 0, 2, 2);

/// The port of the protocol.
const PORT: u16 = 8000;

/// Who may publish. In QEMU all peers come from the gateway's address: in a network with others in it,
/// this is the back end's alone.
const PUBLISHERS: Ipv4Cidr = Ipv4Cidr::new(GATEWAY, 32);

static SOCKETS: ConstStaticCell<[SocketStorage<'_>; PLACES]> =
    ConstStaticCell::new([SocketStorage::EMPTY; PLACES]);
static BUFFERS: ConstStaticCell<[Buffers; PLACES]> = ConstStaticCell::new([Buffers::NEW; PLACES]);
static HUB: ConstStaticCell<Hub> = ConstStaticCell::new(Hub::new());
static ETHERNET: StaticCell<Ethernet> = StaticCell::new();

#[entry]
fn main() -> ! {
    board::start();
    let Some(peripherals) = Peripherals::take() else {
        panic!("this is called once");
    };
    let mut clock = Clock::start(peripherals.SYST);
    let ethernet = ETHERNET.init_with(Ethernet::new);
    ethernet.start(HARDWARE_ADDRESS);

    let config = Config::new(EthernetAddress(HARDWARE_ADDRESS).into());
    let mut interface = Interface::new(config, ethernet, in_smoltcp(clock.now()));
    interface.update_ip_addrs(|addresses| {
        let _ = addresses.push(IpCidr::Ipv4(ADDRESS)); // there is room for one
    });
    let _ = interface.routes_mut().add_default_ipv4_route(GATEWAY); // likewise

    let hub = HUB.take();
    let mut net = Net::new(SOCKETS.take(), BUFFERS.take(), PORT, PUBLISHERS);
    net.renew(clock.now());
    let _ = writeln!(Console, "listening on ws://{}:{PORT}", ADDRESS.address());
    loop {
        let now = clock.now();
        let polled = interface.poll(in_smoltcp(now), ethernet, &mut net.sockets);
        net.renew(now);
        if !hub.poll(&mut net, now) && polled == PollResult::None {
            asm::wfi(); // for the clock's next millisecond
        }
    }
}

fn in_smoltcp(now: Instant) -> time::Instant {
    time::Instant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Console, "{info}");
    loop {
        asm::wfi(); // a watchdog would start anew here
    }
}
