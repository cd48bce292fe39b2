//! Serves a made-up platform: the server of `serve --try`, and beside it the one who pushes.
//!
//! Every push goes over HTTP to the receiver, signed with the test key. What lies in the past is
//! pushed at once, and the server's clock is moved to the moment of each push before it is sent:
//! so it is received when it would have been, shortly after it was published, with a signed date
//! that is right, and nothing in the server knows that it is made up. With the first push that is
//! still to come the clock follows the system's, and the rest is pushed when it is due.
//!
//! One push at a time: with two under way, the clock would be wrong for one of them. The pushes of
//! a day take some seconds that way, since each waits for its own commit.
//!
//! **Architecture invariant:** a server whose clock is moved has a new database of test pushes: one
//! that is there already, or a configuration that is not of `--try`, is an error before anything is
//! built.

use std::fs;
use std::pin::pin;
use std::time::{Duration, Instant};

use actix_web::rt;
use anyhow::{Context, bail, ensure};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::app::bounds::Bounds;
use crate::app::{App, Facts, signals};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::demo::Scenario;
use crate::demo::living::{Living, LivingPush};
use crate::notification::capture::Capture;
use crate::push::{Signer, test_key_path};
use crate::signature::TEST_CERTIFICATE_URL;

/// How often a push is tried, as SMQ tries it: once, and three times more.
const TRIES: u32 = 4;

/// How long after a failed try comes the next. SMQ waits for 10 to 20 s; here somebody is watching.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long an answer may take. SMQ waits for 5 s, and the receiver answers within 4.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// How long a connection is kept without use: less than the receiver keeps it, so that none is
/// closed while a push is on its way.
const IDLE_MAX: Duration = Duration::from_secs(3);

/// What is made up, and how it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform {
    /// The past; it ends now.
    pub past: Scenario,
    /// How many jobs and runs begin in a minute from now on; none counts as one.
    pub jobs_a_minute: u32,
}

/// What whoever started the demo is told.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// The ports are open; nothing has been pushed.
    Serving(&'a Facts),
    /// One more push of the past has been answered.
    Past { pushes: u64, at: Timestamp },
    /// The past is all there. What is pushed next is what happens now.
    Present { pushes: u64, took: Duration },
    /// A push of now has been answered with this status.
    Pushed { push: &'a LivingPush, status: u16 },
}

/// Makes a new database of test pushes and serves it, on a runtime of its own, until SIGINT or
/// SIGTERM. Fails if the file is there already.
pub fn serve(
    config: &Config,
    platform: &Platform,
    mut tell: impl FnMut(News<'_>),
) -> anyhow::Result<()> {
    ensure!(config.is_try, "cannot put made-up pushes into a record");
    let database = &config.database;
    ensure!(
        !fs::exists(database)?,
        "{} is there already; name a file that is not",
        database.display()
    );
    rt::System::new().block_on(async {
        let mut stop = signals()?;
        let past = platform.past;
        let clock = Clock::standing_at(past.begins_at());
        let app = App::build(config, &clock, Bounds::default())?;
        tell(News::Serving(&app.facts));
        let smq = Pusher::new(config, &app.facts, clock)?;
        let living = past.living(platform.jobs_a_minute);

        let (wish, stopped) = mpsc::channel(2);
        let mut serving = pin!(app.run(stopped));
        let pushed = tokio::select! {
            served = &mut serving => return served,
            pushed = smq.push_all(living, &mut tell) => pushed,
            _ = stop.recv() => Ok(()),
        };
        // The server stops after the pusher, so that no push finds it gone.
        wish.send(()).await?;
        loop {
            tokio::select! {
                served = &mut serving => return pushed.and(served),
                Some(()) = stop.recv() => wish.send(()).await?,
            }
        }
    })
}

/// Plays SMQ.
struct Pusher {
    agent: ureq::Agent,
    /// The endpoint up to its path.
    origin: String,
    target: String,
    signer: Signer,
    /// The server's.
    clock: Clock,
}

impl Pusher {
    fn new(config: &Config, facts: &Facts, clock: Clock) -> anyhow::Result<Pusher> {
        let key_path = test_key_path(&config.database);
        let origin = format!("http://{}", facts.receiver);
        let target = facts.endpoint.strip_prefix(&origin);
        let target = target.context("the endpoint is not where the receiver listens")?;
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_global(Some(ANSWERED_WITHIN))
            .max_idle_age(IDLE_MAX);
        Ok(Pusher {
            agent: agent.build().into(),
            target: target.to_owned(),
            origin,
            signer: Signer::from_test_key(&key_path, TEST_CERTIFICATE_URL)?,
            clock,
        })
    }

    /// Pushes what is past at once and the rest when it is due; ends only by an error.
    async fn push_all(
        &self,
        mut living: Living,
        tell: &mut impl FnMut(News<'_>),
    ) -> anyhow::Result<()> {
        let (system, began) = (Clock::system(), Instant::now());
        let mut pushes = 0;
        let mut next = living.next();
        while let Some(push) = next.take_if(|push| push.at <= system.now()) {
            self.clock.set(push.at);
            self.push(&push).await?;
            pushes += 1;
            tell(News::Past {
                pushes,
                at: push.at,
            });
            next = living.next();
        }
        self.clock.follow_system();
        tell(News::Present {
            pushes,
            took: began.elapsed(),
        });
        while let Some(push) = next {
            let left_ms = push.at.since_ms(system.now());
            // Negative if it is due already.
            sleep(Duration::from_millis(left_ms.try_into().unwrap_or(0))).await;
            let status = self.push(&push).await?;
            tell(News::Pushed {
                push: &push,
                status,
            });
            next = living.next();
        }
        Ok(())
    }

    /// Returns the status by which a push was answered. Trouble on the server's side, after some
    /// tries, is an error.
    async fn push(&self, push: &LivingPush) -> anyhow::Result<u16> {
        let mut tries = 0;
        loop {
            tries += 1;
            let capture = push.build(&self.target, &self.signer, self.clock.now())?;
            match self.send(capture).await {
                Ok((status, _)) if status < 500 => return Ok(status),
                Ok((status, answer)) if tries == TRIES => {
                    bail!(
                        "a made-up push was answered {status} ({}); is the disk full?",
                        answer.trim()
                    )
                }
                Err(error) if tries == TRIES => return Err(error),
                Ok(_) | Err(_) => sleep(TRY_AGAIN_AFTER).await,
            }
        }
    }

    async fn send(&self, push: Capture) -> anyhow::Result<(u16, String)> {
        let mut request = self.agent.post(format!("{}{}", self.origin, push.target));
        for (name, value) in push.headers.iter() {
            request = request.header(name, value);
        }
        let body = push.body.unwrap_or_default();
        // The client blocks; the server's own threads do not wait for it.
        let sent = tokio::task::spawn_blocking(move || {
            let mut response = request.send(&body).context("cannot reach the receiver")?;
            let answer = response.body_mut().read_to_string()?;
            Ok((response.status().as_u16(), answer))
        });
        sent.await?
    }
}
