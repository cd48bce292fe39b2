//! The closed loop: as much as the server takes, beside what it is measured against.
//!
//! Everything is measured once, then everything again, so that a disk that has a bad minute is bad
//! for all. Each server begins with a new database, as the bare loop does.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mpsink::clock::Clock;
use serde::Serialize;

use crate::Options;
use crate::bare::http::BareServer;
use crate::bare::record::{self, Recording};
use crate::bare::{replay, writer};
use crate::load::drive::{Load, Supply};
use crate::load::pushes::{self, Addressee};
use crate::load::server::{CertificateHost, Server, TARGET};
use crate::row::{self, Row, Target, mib};

/// More than a server on two cores acknowledges in a second, so that the closed loop does not run
/// out of prepared pushes.
const PER_SECOND_MAX: u64 = 20_000;

/// Before the clock runs: the certificate is fetched, the owner pinned, the threads are there.
const WARM_UP: Duration = Duration::from_millis(300);

/// As many pushes as a warm-up may take.
const WARM_UP_PUSHES: usize = 6_000;

/// What was measured, each as often as there were rounds.
#[derive(Default, Serialize)]
struct Measured {
    /// Pushes a second.
    bare_loop: Vec<f64>,
    /// Pushes a second.
    store_alone: Vec<f64>,
    bytes_a_job: f64,
    /// By the number of connections.
    bare_http: BTreeMap<usize, Vec<Row>>,
    server: BTreeMap<usize, Vec<Row>>,
}

pub(crate) fn measure(options: &Options, certificates: &CertificateHost) -> anyhow::Result<()> {
    let rows_of = prepare(certificates, options.rows_of, 1)?;
    let now = Clock::system().now();
    let recording = record::record(&rows_of, now)?;
    let mut measured = Measured {
        bytes_a_job: writer::bytes_a_job(&rows_of, now)?,
        ..Measured::default()
    };
    row::print_head();
    for _ in 0..options.repeat {
        measured.measure_store(&recording, &rows_of)?;
        // Signed anew, since the server looks at their date.
        let number = PER_SECOND_MAX * u64::from(options.seconds);
        let requests = Rc::new(prepare(certificates, usize::try_from(number)?, 2)?);
        let warm_up = Rc::new(prepare(certificates, WARM_UP_PUSHES, 3)?);
        for connections in &options.connections {
            let load = Load {
                connections: *connections,
                rate: None,
                lasts: Duration::from_secs(options.seconds.into()),
                stop: Arc::default(),
            };
            measured.measure_bare_http(&requests, &load)?;
            let server = options.start_server(certificates)?;
            measured.measure_server(&server, &warm_up, &requests, &load)?;
        }
    }
    measured.print_ratios();
    if let Some(path) = &options.json {
        fs::write(path, serde_json::to_string_pretty(&measured)?)?;
    }
    Ok(())
}

/// Prepares pushes to a new server; those of another `seed` are others.
fn prepare(
    certificates: &CertificateHost,
    number: usize,
    seed: u64,
) -> anyhow::Result<Vec<Vec<u8>>> {
    let to = Addressee {
        target: TARGET,
        signer: &certificates.signer()?,
    };
    pushes::prepare(&to, number, seed, Clock::system().now())
}

impl Measured {
    fn measure_store(&mut self, recording: &Recording, requests: &[Vec<u8>]) -> anyhow::Result<()> {
        let bare = replay::measure(recording)?;
        println!("{:<30} {bare:>9.0}", "bare loop");
        self.bare_loop.push(bare);
        let store = writer::measure(requests, Clock::system().now())?;
        println!("{:<30} {store:>9.0}", "store alone");
        self.store_alone.push(store);
        Ok(())
    }

    fn measure_bare_http(
        &mut self,
        requests: &Rc<Vec<Vec<u8>>>,
        load: &Load,
    ) -> anyhow::Result<()> {
        let bare = BareServer::start()?;
        let target = Target {
            what: format!("bare actix-web, {} connections", load.connections),
            address: bare.address,
            pid: bare.pid(),
            database: Path::new(""),
            crowd: None,
        };
        let row = Row::measure(target, Supply::endless(Rc::clone(requests)), load)?;
        row.print();
        self.bare_http
            .entry(load.connections)
            .or_default()
            .push(row);
        Ok(())
    }

    fn measure_server(
        &mut self,
        server: &Server,
        warm_up: &Rc<Vec<Vec<u8>>>,
        requests: &Rc<Vec<Vec<u8>>>,
        load: &Load,
    ) -> anyhow::Result<()> {
        let target = || Target {
            what: format!("mpsink, {} connections", load.connections),
            address: server.receiver,
            pid: server.pid(),
            database: &server.database,
            crowd: None,
        };
        let before = Load {
            lasts: WARM_UP,
            ..load.clone()
        };
        Row::measure(target(), Supply::new(Rc::clone(warm_up)), &before)?;
        let row = Row::measure(target(), Supply::new(Rc::clone(requests)), load)?;
        row.print();
        self.server.entry(load.connections).or_default().push(row);
        Ok(())
    }

    fn print_ratios(&self) {
        let line = |what: &str, value: f64| println!("{what:<64} {value:>8.3}");
        let bare_loop = median(self.bare_loop.iter().copied());
        println!("\nmedians of all rounds");
        line(
            "store alone ÷ bare loop",
            median(self.store_alone.iter().copied()) / bare_loop,
        );
        for (connections, rows) in &self.server {
            let of = |value: fn(&Row) -> f64| median(rows.iter().map(value));
            let at = format!("{connections} connections");
            let acknowledged = of(|row| row.summary.per_second);
            line(
                &format!("acknowledged at {at} ÷ bare loop"),
                acknowledged / bare_loop,
            );
            let bare = self.bare_http.get(connections).into_iter().flatten();
            let bare = median(bare.map(|row| row.summary.per_second));
            line(
                &format!("acknowledged at {at} ÷ bare actix-web"),
                acknowledged / bare,
            );
            line(
                &format!("99th percentile at {at}, ms"),
                of(|row| row.summary.p99_ms),
            );
            line(
                &format!("peak memory at {at}, MiB"),
                of(|row| mib(row.seen.resident)),
            );
            line(&format!("written a push at {at}, KiB"), of(Row::kib_a_push));
        }
        line(
            "on disk for a push of a single job, bytes",
            self.bytes_a_job,
        );
    }
}

/// Returns the middle one, the lower of two.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or(f64::NAN)
}
