//! Publishes one notification, and says who heard it.
//!
//! `cargo run -p campanile-smol --example publish -- ws://127.0.0.1:8000 '{"package":"p","page":"q"}'`

use std::{env, error::Error};

use campanile_smol::Client;

fn main() -> Result<(), Box<dyn Error>> {
    let [url, notification] = &*env::args().skip(1).collect::<Vec<_>>() else {
        return Err("usage: publish URL NOTIFICATION".into());
    };
    smol::block_on(async {
        let mut client = Client::new(url)?;
        let receipt = client.publish(notification).await?;
        println!("{} heard it, at {}", receipt.recipients, receipt.position);
        client.close().await;
        Ok(())
    })
}
