//! `mpsink config`: looks at the configuration, and makes what goes into it.
//!
//! A password is read from the terminal without showing it, or from standard input; never from an
//! argument, which every process on the machine could read.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};

use crate::app::options::{public_prefix, purpose};
use crate::cli::serve::Serve;
use crate::cli::{note, say};
use crate::config::{self, Config};
use crate::push::{Signer, test_key_path};
use crate::signature::TEST_CERTIFICATE_URL;
use crate::store::foresee::{Foreseen, foresee};
use crate::store::lock;
use crate::web::access::tokens::NewToken;
use crate::web::access::users::{NAME_BYTES_MAX, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};
use crate::web::access::users::{User, hash_password};

/// The most bytes that are read of standard input: more than a password may have.
const INPUT_BYTES_MAX: u64 = 64 * 1024;

#[derive(Args)]
pub(super) struct ConfigCommand {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Check everything that can be told without starting.
    Check(Box<Serve>),
    /// Print the configuration as it counts, with where each value comes from; secrets are hidden.
    Print(Box<Serve>),
    /// Print the endpoint to register, with its secret path, of the server that runs on the database.
    Endpoint(Box<Serve>),
    /// Hash a password, read from the terminal or from standard input, for `dashboard.users`.
    HashPassword(HashPassword),
    /// Make a token for a script, and what `dashboard.tokens` keeps of it.
    NewToken,
}

#[derive(Args)]
struct HashPassword {
    /// Whose password it is; the line printed is then one of [dashboard.users]
    name: Option<String>,
}

pub(super) fn run(command: &ConfigCommand) -> anyhow::Result<ExitCode> {
    match &command.command {
        What::Check(serve) => check(serve),
        What::Print(serve) => {
            say(config::printed(serve.flags())?.trim_end());
            Ok(ExitCode::SUCCESS)
        }
        What::Endpoint(serve) => print_endpoint(serve),
        What::HashPassword(command) => print_hash(command),
        What::NewToken => print_new_token(),
    }
}

/// Says what would be served, or everything that stands against it.
fn check(serve: &Serve) -> anyhow::Result<ExitCode> {
    let config = Config::load(serve.flags())?;
    let mut problems = Vec::new();
    let database = match check_database(&config) {
        Ok(found) => Some(found),
        Err(error) => {
            problems.push(error);
            None
        }
    };
    let running = lock::running(&config.database);
    if running.is_none() {
        for (key, address) in listens(&config) {
            if let Err(error) = check_listen(key, address) {
                problems.push(error);
            }
        }
    }
    if !problems.is_empty() {
        for problem in &problems {
            note(&format!("mpsink: {problem:#}"));
        }
        return Ok(ExitCode::FAILURE);
    }
    say("fine");
    say(&format!(
        "receiver:  {}{}",
        config.receiver_listen,
        registered(&config)
    ));
    say(&format!(
        "dashboard: {}{}/, {}",
        config.dashboard_listen,
        config.base_path,
        readers(&config)
    ));
    say(&format!(
        "database:  {}{}",
        absolute(&config.database).display(),
        match database {
            Some(Foreseen::New) => ", which is not there yet and will be made",
            Some(Foreseen::Ours) | None => "",
        }
    ));
    if let Some(running) = running {
        say(&format!(
            "A server runs on this database already (process {}), so it was not tried whether the \
             addresses are free.",
            running.pid
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn listens(config: &Config) -> Vec<(&'static str, SocketAddr)> {
    let mut listens = vec![("receiver.listen", config.receiver_listen)];
    if config.dashboard_listen != config.receiver_listen {
        listens.push(("dashboard.listen", config.dashboard_listen));
    }
    listens
}

fn check_listen(key: &str, address: SocketAddr) -> anyhow::Result<()> {
    let bound = TcpListener::bind(address);
    bound.map(drop).with_context(|| {
        format!("cannot listen on {address}; give `{key}` an address that is free")
    })
}

/// Returns what a server would open. Changes nothing.
fn check_database(config: &Config) -> anyhow::Result<Foreseen> {
    let path = absolute(&config.database);
    let folder = path.parent().unwrap_or(Path::new("/"));
    let in_folder = fs::metadata(folder);
    let in_folder = in_folder.with_context(|| {
        let folder = folder.display();
        format!("cannot find the folder {folder}; make it, or give `database` another one")
    })?;
    ensure!(in_folder.is_dir(), "{} is no folder", folder.display());
    ensure!(
        !path.exists() || path.is_file(),
        "{} is no file; give `database` the path of one",
        path.display()
    );
    let found = foresee(&path, purpose(config))?;
    let key_path = test_key_path(&path);
    if config.is_try && key_path.exists() {
        Signer::from_test_key(&key_path, TEST_CERTIFICATE_URL)?;
    }
    Ok(found)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn registered(config: &Config) -> String {
    match &config.public_url {
        Some(url) if public_prefix(config).is_empty() => format!(", as {url}"),
        Some(url) => format!(", as {url}, with or without its path"),
        None => String::new(),
    }
}

fn readers(config: &Config) -> String {
    let (users, tokens) = (config.access.users.len(), config.access.tokens.len());
    if users == 0 && tokens == 0 {
        "without a login, for this machine alone".to_owned()
    } else {
        format!(
            "for {} and {}",
            counted(users, "user"),
            counted(tokens, "token")
        )
    }
}

fn counted(count: usize, word: &str) -> String {
    match count {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    }
}

/// Prints nothing else, so that a script can take it. The path may be known to the server alone, which
/// says it in the lock file, to whoever could read the database as well.
fn print_endpoint(serve: &Serve) -> anyhow::Result<ExitCode> {
    let config = Config::load(serve.flags())?;
    let database = config.database.display();
    let Some(running) = lock::running(&config.database) else {
        bail!("no server is running on {database}; start it, or name another database");
    };
    let path_at = running.endpoint.match_indices('/').nth(2);
    let path = path_at.and_then(|(at, _)| running.endpoint.get(at..));
    say(&match (&config.public_url, path) {
        (Some(url), Some(path)) => format!("{url}{path}"),
        (None, _) | (_, None) => running.endpoint.clone(),
    });
    Ok(ExitCode::SUCCESS)
}

fn print_hash(command: &HashPassword) -> anyhow::Result<ExitCode> {
    let password = if io::stdin().is_terminal() {
        typed_password()?
    } else {
        piped_password()?
    };
    let chars = password.chars().count();
    ensure!(
        chars >= PASSWORD_CHARS_MIN,
        "the password has {chars} characters; take at least {PASSWORD_CHARS_MIN}"
    );
    ensure!(
        password.len() <= PASSWORD_BYTES_MAX,
        "the password has {} bytes; take at most {PASSWORD_BYTES_MAX}",
        password.len()
    );
    let hash = hash_password(password.as_bytes());
    let hash = hash.map_err(|error| anyhow::anyhow!("cannot hash the password: {error}"))?;
    let Some(name) = &command.name else {
        say(&hash);
        return Ok(ExitCode::SUCCESS);
    };
    ensure!(
        User::new(name, &hash).is_ok(),
        "`{name}` is no name: take one without colons and white space, of at most \
         {NAME_BYTES_MAX} bytes"
    );
    let name = toml::Value::String(name.clone());
    say(&format!("{name} = \"{hash}\""));
    note("Put this line below [dashboard.users] in mpsink.toml.");
    Ok(ExitCode::SUCCESS)
}

fn typed_password() -> anyhow::Result<String> {
    let cannot = "cannot read from the terminal";
    let password = rpassword::prompt_password("Password: ").context(cannot)?;
    let again = rpassword::prompt_password("Once more: ").context(cannot)?;
    ensure!(
        password == again,
        "the two are not the same; nothing was made"
    );
    Ok(password)
}

/// Reads one line; the line break is no part of the password.
fn piped_password() -> anyhow::Result<String> {
    let mut text = String::new();
    let input = io::stdin().take(INPUT_BYTES_MAX);
    let read = io::BufReader::new(input).read_to_string(&mut text);
    read.context("cannot read the password from standard input")?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains(['\n', '\r']) {
        bail!("the password on standard input has more than one line");
    }
    Ok(line.to_owned())
}

fn print_new_token() -> anyhow::Result<ExitCode> {
    let new = NewToken::make().context("the system gives no random bytes")?;
    say("For the script, which sends it as `Authorization: Bearer …`; it is shown only now:");
    say(&new.token);
    say("For dashboard.tokens in mpsink.toml:");
    say(&format!("tokens = [\"{}\"]", new.digest));
    Ok(ExitCode::SUCCESS)
}
