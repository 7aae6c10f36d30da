//! A subscriber: prints each notification of one package and page.
//!
//! `cargo run -p campanile-std --example listen -- 127.0.0.1:8000 '{"package":"P","page":"Q"}'`

use std::{env, error::Error, net::TcpStream, str};

use campanile_core::{
    conn::{Assembler, Config, Event},
    handshake::Opening,
    wire::Kind,
};
use campanile_std::{HashedMasks, Stream};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(address), Some(subscription)) = (arguments.next(), arguments.next()) else {
        return Err("usage: listen ADDR:PORT SUBSCRIPTION".into());
    };
    let socket = TcpStream::connect(&address)?;
    let opening = Opening::new(&address, "/");
    let mut stream = Stream::connect(socket, &opening, HashedMasks::new(), &Config::new())?;
    let message = format!(r#"{{"sender":"client","subscriptions":[{subscription}]}}"#);
    stream.send(Kind::Text, message.as_bytes())?;
    let mut assembler = Assembler::new(Vec::new());
    while stream.fill()? {
        for event in stream.events() {
            if let Event::Data(data) = event?
                && let Some(message) = assembler.push(data)?
            {
                println!("{}", str::from_utf8(message.bytes)?);
            }
        }
    }
    Err(format!("the connection is over: {:?}", stream.closed_by()).into())
}
