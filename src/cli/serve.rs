//! `mpsink serve`: the receiver and the dashboard.

use std::io::{self, IsTerminal};
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

impl Serve {
    pub(super) fn flags(&self) -> Flags {
        Flags {
            receiver_listen: self.receiver_listen.clone(),
            dashboard_listen: self.dashboard_listen.clone(),
            public_url: self.public_url.clone(),
            is_try: self.is_try,
            ..self.common.flags()
        }
    }
}

pub(super) fn run(command: &Serve) -> anyhow::Result<ExitCode> {
    let config = Config::load(command.flags())?;
    with_logging(config.log, || {
        app::serve(&config, |facts| announce(&config, facts))?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Says what was started. The secret path is shown in full only when it was just made and a person
/// reads along: what goes into a pipe ends in the log of a process manager, which others read.
fn announce(config: &Config, facts: &Facts) {
    let database = facts.database.display();
    if facts.database_is_new {
        say("*** NEW DATABASE: nothing was recorded here before, and the path below is new. ***");
        say("*** If you expected your history, stop, and start again in the right folder.   ***");
    }
    if config.is_try {
        say("TEST: this server trusts the test key and records test pushes only.");
    }
    let is_read_by_a_person = facts.database_is_new && io::stdout().is_terminal();
    let endpoint = if is_read_by_a_person || config.is_try {
        facts.endpoint.clone()
    } else {
        format!(
            "{} (in full: `mpsink config endpoint`, or Connect on the dashboard)",
            facts.masked_endpoint
        )
    };
    say(&format!("endpoint to register: {endpoint}"));
    if config.public_url.is_none() && !config.is_try {
        say("    with the address under which SMQ reaches this machine in place of the host;");
        say("    set receiver.public_url, and it is shown as it should be registered");
    }
    for (is_handed_over, name) in [
        (facts.receiver_is_handed_over, "receiver"),
        (facts.dashboard_is_handed_over, "dashboard"),
    ] {
        if is_handed_over {
            say(&format!(
                "socket:               the {name}'s was handed over, so {name}.listen is not used"
            ));
        }
    }
    say(&format!("dashboard:            {}", facts.dashboard_url));
    say(&format!("database:             {database}"));
    say(&format!("listening:            {}", facts.receiver));
}
