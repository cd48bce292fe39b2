//! `mpsink serve`: the receiver and the dashboard.

use std::process::ExitCode;

use clap::Args;

use crate::app::{self, Facts};
use crate::cli::logging::with_logging;
use crate::cli::{Common, say};
use crate::config::{Config, Flags};

#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    common: Common,
    /// Try it: loopback only, trusts the test key, with a database of its own
    #[arg(long = "try")]
    is_try: bool,
    /// Where SMQ pushes to [default: 0.0.0.0:8080, with --try 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    receiver_listen: Option<String>,
    /// Where the dashboard listens [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS")]
    dashboard_listen: Option<String>,
    /// The receiver's address as SMQ sees it, such as <https://mps.example.com>
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
}

pub(super) fn run(command: &Serve) -> anyhow::Result<ExitCode> {
    let config = Config::load(Flags {
        receiver_listen: command.receiver_listen.clone(),
        dashboard_listen: command.dashboard_listen.clone(),
        public_url: command.public_url.clone(),
        is_try: command.is_try,
        ..command.common.flags()
    })?;
    with_logging(config.log, || {
        app::serve(&config, |facts| announce(&config, facts))?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Says what was started. The secret path is shown in full only when it was just made: later
/// starts are logged by process managers, and the dashboard shows it.
fn announce(config: &Config, facts: &Facts) {
    let database = facts.database.display();
    if facts.database_is_new {
        say("*** NEW DATABASE: nothing was recorded here before, and the path below is new. ***");
        say("*** If you expected your history, stop, and start again in the right folder.   ***");
    }
    if config.is_try {
        say("TEST: this server trusts the test key and records test pushes only.");
    }
    let endpoint = if facts.database_is_new || config.is_try {
        facts.endpoint.clone()
    } else {
        format!("{} (in full on the dashboard)", facts.masked_endpoint)
    };
    say(&format!("endpoint to register: {endpoint}"));
    if config.public_url.is_none() && !config.is_try {
        say("    with the address under which SMQ reaches this machine in place of the host;");
        say("    set receiver.public_url, and it is shown as it should be registered");
    }
    say(&format!("dashboard:            {}", facts.dashboard_url));
    say(&format!("database:             {database}"));
    say(&format!("listening:            {}", facts.receiver));
}
