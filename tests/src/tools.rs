//! Where the real clients are.
//!
//! A tool is looked for in the tools folder, `${CAMPANILE_TOOLS:-target/tools}` (a relative path counts from the
//! root of the checkout), and then in `PATH`. `tests/clients/install.sh` puts it there.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program, or what is missing in words that complete "skipped, because …".
pub type Found = Result<PathBuf, String>;

/// The root of the checkout.
#[must_use]
pub fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a folder of the workspace")
}

/// The folder of the client scripts.
#[must_use]
pub fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// The folder for installed npm and pip packages.
#[must_use]
pub fn folder() -> PathBuf {
    checkout().join(
        env::var_os("CAMPANILE_TOOLS").map_or_else(|| PathBuf::from("target/tools"), PathBuf::from),
    )
}

/// The folder of the installed npm packages.
#[must_use]
pub fn node_modules() -> PathBuf {
    folder().join("node_modules")
}

/// A program in `PATH`.
///
/// # Errors
/// When it is not there.
pub fn program(name: &str) -> Found {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut candidates = env::split_paths(&path).map(|folder| folder.join(name));
    candidates
        .find(|file| file.is_file())
        .ok_or_else(|| format!("{name} is not in PATH"))
}

/// A program in `PATH`, or where systems keep those of administrators.
///
/// # Errors
/// When it is not there.
pub fn server(name: &str) -> Found {
    let elsewhere = Path::new("/usr/sbin").join(name);
    program(name).or_else(|missing| elsewhere.is_file().then_some(elsewhere).ok_or(missing))
}

/// nginx.
///
/// # Errors
/// When it is missing.
pub fn nginx() -> Found {
    server("nginx")
}

/// The module of nginx for TCP, as Debian has it, given that nginx is there.
///
/// # Errors
/// When either is missing.
pub fn nginx_stream() -> Found {
    nginx()?;
    let module = PathBuf::from("/usr/lib/nginx/modules/ngx_stream_module.so");
    if module.is_file() {
        Ok(module)
    } else {
        Err(format!("{} is not there", module.display()))
    }
}

/// PHP, given that it has this extension.
///
/// # Errors
/// When either is missing.
pub fn php_with(extension: &str) -> Found {
    let php = program("php")?;
    let modules = Command::new(&php).arg("-m").output();
    let modules = modules.map(|output| output.stdout).unwrap_or_default();
    let modules = String::from_utf8_lossy(&modules);
    if modules.lines().any(|module| module == extension) {
        Ok(php)
    } else {
        Err(format!("PHP has no extension {extension}"))
    }
}

/// Node, given that this npm package is installed.
///
/// # Errors
/// When either is missing.
pub fn node_with(package: &str) -> Found {
    let node = program("node")?;
    if node_modules().join(package).is_dir() {
        Ok(node)
    } else {
        Err(format!(
            "the npm package {package} is not in {}",
            node_modules().display()
        ))
    }
}

/// wscat.
///
/// # Errors
/// When it, or the node to run it with, is missing.
pub fn wscat() -> Found {
    program("node")?;
    let installed = node_modules().join(".bin/wscat");
    if installed.is_file() {
        Ok(installed)
    } else {
        program("wscat")
    }
}

/// A Python that has the package `websockets`.
///
/// # Errors
/// When there is none.
pub fn python_with_websockets() -> Found {
    let has_package = |python: &PathBuf| {
        let mut command = Command::new(python);
        command
            .args(["-c", "import websockets"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let candidates = [Ok(folder().join("venv/bin/python")), program("python3")];
    let found = candidates.into_iter().flatten().find(has_package);
    found.ok_or_else(|| {
        format!(
            "no Python with the package websockets in {} or PATH",
            folder().display()
        )
    })
}

/// Chromium: `$CHROMIUM`, or one of the names under which systems ship it.
///
/// # Errors
/// When there is none.
pub fn chromium() -> Found {
    if let Some(path) = env::var_os("CHROMIUM") {
        return Ok(path.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.iter().find_map(|name| program(name).ok());
    found.ok_or_else(|| {
        format!(
            "none of {} is in PATH and CHROMIUM is not set",
            names.join(", ")
        )
    })
}
