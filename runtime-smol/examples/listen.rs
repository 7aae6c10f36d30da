//! Prints what a subscription hears, and stays connected.
//!
//! `cargo run -p campanile-smol --example listen -- ws://127.0.0.1:8000 '{"package":"p","page":"q"}'`

use std::{env, error::Error};

use campanile_smol::{Client, Event};

fn main() -> Result<(), Box<dyn Error>> {
    let [url, subscription] = &*env::args().skip(1).collect::<Vec<_>>() else {
        return Err("usage: listen URL SUBSCRIPTION".into());
    };
    let mut client = Client::new(url)?;
    client.subscribe(subscription)?;
    smol::block_on(async {
        while let Some(event) = client.next().await? {
            if let Event::Notification(notification) = &event {
                println!("{}", notification.text());
            } else {
                // After `Reconnected`, something may have been missed.
                eprintln!("{event:?}");
            }
        }
        Ok(())
    })
}
