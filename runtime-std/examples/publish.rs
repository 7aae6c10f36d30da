//! Publishes one notification, and says who heard it.
//!
//! `cargo run -p campanile-std --example publish -- ws://127.0.0.1:8000 '{"package":"p","page":"q"}'`

use std::{env, error::Error};

use campanile_std::Client;

fn main() -> Result<(), Box<dyn Error>> {
    let [url, notification] = &*env::args().skip(1).collect::<Vec<_>>() else {
        return Err("usage: publish URL NOTIFICATION".into());
    };
    let mut client = Client::new(url)?;
    let receipt = client.publish(notification)?;
    println!("{} heard it, at {}", receipt.recipients, receipt.position);
    client.close();
    Ok(())
}
