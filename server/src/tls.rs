//! The certificates of the listener with TLS.

use std::sync::Arc;

use campanile_tls::Server;

use crate::config::{Configuration, Runtime};

/// What the configuration asks for; `None` if it is no TLS. The error is a line for a person.
pub(crate) fn load(configuration: &Configuration) -> Result<Option<Arc<Server>>, String> {
    let tls = &configuration.tls;
    if tls.listen.is_none() {
        return Ok(None);
    }
    if configuration.runtime == Runtime::Std {
        return Err(
            "the runtime std has no TLS; set `runtime` to \"smol\", or leave `tls.listen` out and have a \
             proxy in front"
                .to_owned(),
        );
    }
    let server = Server::new(&tls.options()?).map_err(|error| error.to_string())?;
    Ok(Some(Arc::new(server)))
}

/// Reads the files anew for connections to come. If that fails, everything stays as it is.
pub(crate) fn reload(server: &Server, configuration: &Configuration) -> Result<(), String> {
    let options = configuration.tls.options()?;
    server.reload(&options).map_err(|error| error.to_string())
}
