//! The open loop: pushes are due at a given rate, without and with readers, in turns.

use std::fs;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use mpsink::clock::Clock;

use crate::load::chores::Chores;
use crate::load::drive::{Load, Supply};
use crate::load::pushes::{self, Addressee};
use crate::load::readers::Crowd;
use crate::load::server::{CertificateHost, Server, own_program};
use crate::row::{self, Row, Target};
use crate::{Options, Rate};

/// Pushes are due one by one on so many connections, like SMQ's.
const CONNECTIONS: usize = 64;

/// What the peak is measured with, by a closed loop.
const CONNECTIONS_OF_PEAK: usize = 256;

const PEAK_LASTS: Duration = Duration::from_secs(5);

/// More than any two processors acknowledge.
const PUSHES_OF_PEAK: usize = 50_000;

pub(crate) fn measure(
    options: &Options,
    certificates: &CertificateHost,
    rate: Rate,
) -> anyhow::Result<()> {
    let server = options.start_server(certificates)?;
    let has_readers = options.viewers + options.exports > 0 || options.chores;
    let mut rows = Vec::new();
    row::print_head();
    for _ in 0..options.repeat {
        for is_read in [false, true] {
            if is_read && !has_readers {
                continue;
            }
            let rate = match rate {
                Rate::Given(rate) => rate,
                Rate::HalfThePeak => half_the_peak(&server)?,
            };
            let crowd = is_read.then(|| Crowd {
                viewers: options.viewers,
                is_reading_again: options.viewers_read,
                downloads: options.exports,
                download: options.export.clone(),
            });
            let row = measure_row(&server, options, rate, crowd)?;
            row.print();
            rows.push(row);
        }
    }
    if let Some(path) = &options.json {
        fs::write(path, serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(())
}

/// Measures the peak, prints it, and returns half of it.
fn half_the_peak(server: &Server) -> anyhow::Result<u32> {
    let target = Target {
        what: format!("the peak, {CONNECTIONS_OF_PEAK} connections"),
        address: server.receiver,
        pid: server.pid(),
        database: &server.database,
        crowd: None,
    };
    let load = Load {
        connections: CONNECTIONS_OF_PEAK,
        rate: None,
        lasts: PEAK_LASTS,
        stop: Arc::default(),
    };
    let row = Row::measure(target, prepare(server, PUSHES_OF_PEAK)?, &load)?;
    row.print();
    ensure!(row.had_enough, "too few pushes were prepared for the peak");
    let half = row.summary.acknowledged / (2 * PEAK_LASTS.as_secs());
    ensure!(half > 0, "the server acknowledges nothing");
    Ok(u32::try_from(half)?)
}

/// Signs as many pushes now that nobody has sent before.
fn prepare(server: &Server, number: usize) -> anyhow::Result<Supply> {
    let now = Clock::system().now();
    let to = Addressee {
        target: &server.target,
        signer: &server.signer,
    };
    let requests = pushes::prepare(&to, number, now.0.unsigned_abs(), now)?;
    Ok(Supply::new(Rc::new(requests)))
}

fn measure_row(
    server: &Server,
    options: &Options,
    rate: u32,
    crowd: Option<Crowd>,
) -> anyhow::Result<Row> {
    let number = u64::from(rate) * u64::from(options.seconds);
    let supply = prepare(server, usize::try_from(number)?)?;
    let is_read = crowd.is_some();
    let target = Target {
        what: if crowd.is_some() {
            "with readers"
        } else {
            "alone"
        }
        .to_owned(),
        address: server.receiver,
        pid: server.pid(),
        database: &server.database,
        crowd: crowd.map(|crowd| (server.dashboard, crowd)),
    };
    let load = Load {
        connections: CONNECTIONS,
        rate: Some(rate),
        lasts: Duration::from_secs(options.seconds.into()),
        stop: Arc::default(),
    };
    let program = options.server.as_deref().unwrap_or(own_program());
    let chores = (options.chores && is_read).then(|| Chores::start(program, &server.database));
    let chores = chores.transpose()?;
    let mut row = Row::measure(target, supply, &load)?;
    row.backups = chores.map(Chores::end).transpose()?.unwrap_or_default();
    // As many were prepared as are due.
    row.had_enough = true;
    Ok(row)
}
