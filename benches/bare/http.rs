//! A bare actix-web server that reads bodies and answers 204: what HTTP alone costs.
//!
//! A child process of the benchmark, so that its threads and memory are its own like the real
//! server's; it ends with its standard input.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;

use actix_web::{App, HttpResponse, HttpServer, rt, web};
use anyhow::Context;

/// As many as the real server has for its receiver.
const WORKERS: usize = 2;

/// What the benchmark is started with to be this server.
pub(crate) const ARGUMENT: &str = "--bare-server";

/// The running child; killed when dropped.
pub(crate) struct BareServer {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl BareServer {
    pub(crate) fn start() -> anyhow::Result<BareServer> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("a pipe")?).read_line(&mut line)?;
        Ok(BareServer {
            address: line.trim().parse()?,
            child,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for BareServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until standard input ends, as it does when the benchmark is gone.
pub(crate) fn serve() -> anyhow::Result<()> {
    let server = HttpServer::new(|| App::new().default_service(web::to(take)))
        .workers(WORKERS)
        .disable_signals()
        .bind("127.0.0.1:0")?;
    let address = server.addrs().first().copied().context("an address")?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{address}")?;
    stdout.flush()?;
    rt::System::new().block_on(async {
        let server = server.run();
        let handle = server.handle();
        thread::spawn(move || {
            let _ = io::stdin().read(&mut [0]);
            // Asks at once; nobody waits for the end.
            drop(handle.stop(false));
        });
        server.await
    })?;
    Ok(())
}

async fn take(body: web::Bytes) -> HttpResponse {
    drop(body);
    HttpResponse::NoContent().finish()
}
