//! The real server, as a process of its own, with every check on.
//!
//! On a new database it is `mpsink serve` as anyone starts it, but for where certificates come
//! from: a host on loopback that serves one for a key of 512 bits, like SMQ's. On a database that
//! `mpsink demo --into` has made it is `serve --try`, which trusts the key beside the database: one
//! of 512 bits is put there if there is none.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{self, Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::Context;
use mpsink::push::{Signer, test_key_path};
use mpsink::signature::TEST_CERTIFICATE_URL;
use tempfile::TempDir;

pub(crate) const KEY: &str = include_str!("../../tests/data/keys/key-512.pem");
pub(crate) const CERTIFICATE: &[u8] = include_bytes!("../../tests/data/keys/certificate-512.pem");

/// The path of a new server's source, so that pushes can be signed before it is started.
pub(crate) const TARGET: &str = "/notifications/0123456789abcdef0123456789abcdef";

/// Where certificates come from: served until the process ends.
pub(crate) struct CertificateHost {
    base: String,
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) receiver: SocketAddr,
    pub(crate) dashboard: SocketAddr,
    /// The path of its source.
    pub(crate) target: String,
    pub(crate) database: PathBuf,
    pub(crate) signer: Signer,
    _folder: TempDir,
}

impl CertificateHost {
    pub(crate) fn start() -> anyhow::Result<CertificateHost> {
        Ok(CertificateHost {
            base: format!("http://{}/", serve_certificate()?),
        })
    }

    /// Returns who signs what a new server believes.
    pub(crate) fn signer(&self) -> anyhow::Result<Signer> {
        let folder = tempfile::tempdir()?;
        let key = folder.path().join("signer.key");
        fs::write(&key, KEY)?;
        let url = format!("{}certificate.pem", self.base);
        Ok(Signer::from_test_key(&key, &url)?)
    }
}

impl Server {
    /// Starts this build's server or another one, on a new database or on the demo's that is given.
    pub(crate) fn start(
        program: Option<&Path>,
        demo: Option<&Path>,
        certificates: &CertificateHost,
    ) -> anyhow::Result<Server> {
        let folder = tempfile::tempdir()?;
        // Absolute, since it is started in another folder.
        let database = demo.map_or_else(|| Ok(folder.path().join("mpsink.db")), path::absolute)?;
        let mut command = Command::new(program.unwrap_or(own_program()));
        command.current_dir(folder.path()).arg("serve");
        command.arg("--database").arg(&database);
        let signer = if demo.is_some() {
            command.arg("--try");
            let key = test_key_path(&database);
            if !key.exists() {
                fs::write(&key, KEY)?;
            }
            Signer::from_test_key(&key, TEST_CERTIFICATE_URL)?
        } else {
            let config = format!(
                "[verify]\ncertificate_urls = [\"{}\"]\n[[source]]\npaths = [\"{TARGET}\"]\n",
                certificates.base
            );
            fs::write(folder.path().join("mpsink.toml"), config)?;
            certificates.signer()?
        };
        for listener in ["--receiver-listen", "--dashboard-listen"] {
            command.args([listener, "127.0.0.1:0"]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // A line for each push, as everywhere; into a file, so that the table can be read.
            .stderr(File::create(folder.path().join("server.log"))?)
            .spawn()?;
        let printed = read_announcement(&mut child)?;
        let value = |label: &str| {
            let line = printed.iter().find_map(|line| line.strip_prefix(label));
            line.map(str::trim)
                .with_context(|| format!("no {label} in {printed:?}"))
        };
        let endpoint = value("endpoint to register:")?;
        let path_at = endpoint.match_indices('/').nth(2).context("a path")?.0;
        let dashboard = value("dashboard:")?.trim_start_matches("http://");
        Ok(Server {
            receiver: value("listening:")?.parse()?,
            dashboard: dashboard.parse()?,
            target: endpoint.get(path_at..).unwrap_or_default().to_owned(),
            child,
            database,
            signer,
            _folder: folder,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns this build of the program.
pub(crate) fn own_program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_mpsink"))
}

/// Returns what is printed until the server listens.
fn read_announcement(child: &mut Child) -> anyhow::Result<Vec<String>> {
    let mut printed = Vec::new();
    let stdout = child.stdout.take().context("a pipe")?;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        let is_last = line.starts_with("listening:");
        printed.push(line);
        if is_last {
            break;
        }
    }
    Ok(printed)
}

/// Serves the certificate until the process ends, whatever is asked for.
fn serve_certificate() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let length = CERTIFICATE.len();
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(&[answer.as_bytes(), CERTIFICATE].concat());
        }
    });
    Ok(address)
}
