//! How long pages take: each is asked for once, then each again, so that none is better off for what
//! was read just before it.

use std::time::Duration;

use serde::Serialize;

use crate::addresses;
use crate::client::Client;
use crate::database::Database;
use crate::load::server::Server;
use crate::pusher::{self, Pushed};

/// A page in a few numbers.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Page {
    /// Its address, without what differs from database to database.
    pub(crate) what: String,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) highest_ms: f64,
    pub(crate) bytes: usize,
}

pub(crate) fn measure(
    server: &Server,
    database: &Database,
    repeat: usize,
    pushes: Option<u32>,
) -> anyhow::Result<(Vec<Page>, Option<Pushed>)> {
    let addresses = addresses::of(&mut Client::to(server.dashboard)?, database)?;
    pusher::meanwhile(server, pushes, || {
        // Not the connection of before: signing pushes takes longer than an idle one is kept.
        let mut client = Client::to(server.dashboard)?;
        let mut taken = vec![Taken::default(); addresses.len()];
        for _ in 0..repeat {
            for (address, taken) in addresses.iter().zip(&mut taken) {
                let (page, took) = client.get(&address.path)?;
                taken.times.push(took);
                taken.bytes = page.len();
            }
        }
        let pages = addresses.iter().zip(taken);
        Ok(pages
            .map(|(address, taken)| taken.summary(&address.what))
            .collect())
    })
}

#[derive(Clone, Default)]
struct Taken {
    times: Vec<Duration>,
    bytes: usize,
}

impl Taken {
    fn summary(mut self, what: &str) -> Page {
        self.times.sort_unstable();
        let at = |percent: usize| {
            let rank = (self.times.len() * percent).div_ceil(100);
            let time = self.times.get(rank.saturating_sub(1));
            time.map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
        };
        Page {
            what: what.to_owned(),
            p50_ms: at(50),
            p95_ms: at(95),
            highest_ms: at(100),
            bytes: self.bytes,
        }
    }
}
