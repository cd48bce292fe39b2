//! The English sentences of findings; see `operations.rs`.

use crate::doctor::{Finding, Line, Reach, Seen, SourceFacts, UrlKind, Verdict};
use crate::notification::source::RetryPolicy;
use crate::store::file_system::Nature;
use crate::store::integrity::Integrity;
use crate::store::lifetimes::Ending;
use crate::web::texts::operations::{Moment, size};
use crate::web::texts::words::{WordTexts, grouped};

pub(super) fn line(line: Line) -> &'static str {
    match line {
        Line::Server => "server",
        Line::Receiver => "receiver",
        Line::Dashboard => "dashboard",
        Line::PublicUrl => "public address",
        Line::Source => "source",
        Line::Certificate => "certificate",
        Line::Clock => "clock",
        Line::Retries => "retries",
        Line::Downtime => "downtime",
        Line::Lag => "lag",
        Line::Rows => "messages",
        Line::Disk => "disk",
        Line::FileSystem => "file system",
        Line::Sync => "sync",
        Line::Log => "log",
        Line::Sqlite => "SQLite",
        Line::Integrity => "integrity",
    }
}

fn duration(ms: i64) -> String {
    (WordTexts::ENGLISH.duration)(ms.unsigned_abs())
}

fn reach(reach: Reach) -> &'static str {
    match reach {
        Reach::ThisMachine => "only this machine reaches it",
        Reach::OneAddress => "whoever can reach this address reaches it",
        Reach::EveryAddress => "whoever can reach any address of this machine reaches it",
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each thing that is said")]
pub(super) fn seen(seen: &Seen, moment: Moment<'_>) -> String {
    match seen {
        Seen::ServerRuns { pid, since } => match since {
            Some(since) => format!("Process {pid} takes pushes since {}.", moment(*since)),
            None => format!("Process {pid} takes pushes."),
        },
        Seen::WriterStuck => {
            "The writer is at one commit for seconds; nobody is answered.".to_owned()
        }
        Seen::WriterFailing { cause } => {
            format!("No commit succeeds, so no push is taken: {cause}.")
        }
        Seen::WriterEnded { fault: Some(fault) } => format!("The writer has ended: {fault}."),
        Seen::WriterEnded { fault: None } => "The server is stopping.".to_owned(),
        Seen::NoServer => "No server runs on this database.".to_owned(),
        Seen::ServerSilent { pid } => {
            format!("Process {pid} has the database and does not answer.")
        }
        Seen::Receiver {
            address,
            reach: who,
        } => {
            format!("Pushes are taken at {address}: {}.", reach(*who))
        }
        Seen::Dashboard {
            address,
            reach: who,
            has_login,
        } => {
            let login = if *has_login {
                "with a login"
            } else {
                "without a login"
            };
            format!(
                "The dashboard listens on {address}, {login}: {}.",
                reach(*who)
            )
        }
        Seen::PublicUrl { url, kind } => match kind {
            UrlKind::Https => format!("SMQ pushes to {url}."),
            UrlKind::Plain => format!("SMQ pushes to {url}, which everybody on the way can read."),
            UrlKind::Private => format!("{url} is an address that SMQ cannot reach."),
        },
        Seen::NoPublicUrl => "No public address is configured.".to_owned(),
        Seen::Source(source) => self::source(source),
        Seen::Certificate {
            key_bits,
            not_after,
            is_expired,
            host,
            fetched_at,
            has_verified,
            ..
        } => {
            let end = match (not_after, is_expired) {
                (None, _) => String::new(),
                (Some(end), true) => format!(", expired on {}", moment(*end)),
                (Some(end), false) => format!(", valid until {}", moment(*end)),
            };
            let used = if *has_verified {
                "has verified pushes"
            } else {
                "has verified no push yet"
            };
            format!(
                "{key_bits} bits from {host}{end}, fetched {}; it {used}. SMQ signs for every \
                 account and with a short key, so what keeps others out is the secret path and the \
                 pinned owner.",
                moment(*fetched_at)
            )
        }
        Seen::NoCertificate => "No certificate was fetched yet.".to_owned(),
        Seen::Clock { off_ms, at } => {
            let (at, by) = (moment(*at), duration(*off_ms));
            if *off_ms < 0 {
                format!("The push of {at} came {by} before its Date: this clock is behind SMQ's.")
            } else {
                format!("The push of {at} came {by} after its Date, by this clock and SMQ's.")
            }
        }
        Seen::NoPushClock => "No push has said the time yet.".to_owned(),
        Seen::RetriesSet { policy } => {
            let word = policy.word().unwrap_or_default();
            let how_long = match policy {
                RetryPolicy::ExponentialDecay => "for a day",
                RetryPolicy::Backoff | RetryPolicy::Unknown => "for 30 s only",
            };
            format!("By the configuration SMQ repeats a push {how_long} ({word}).")
        }
        Seen::RetriesSeem { late_ms } => format!(
            "Pushes came up to {} late after a downtime, so SMQ seems to repeat for a day \
             (EXPONENTIAL_DECAY_RETRY).",
            duration(*late_ms)
        ),
        Seen::NoRetries => {
            "Which retry policy the subscription has cannot be seen from here.".to_owned()
        }
        Seen::Downtime {
            length_ms,
            from,
            ending,
            is_now,
            may_lose,
        } => {
            let cause = match ending {
                Ending::Stopped => "it was stopped",
                Ending::Crashed => "it was killed or lost its power",
            };
            let length = duration(*length_ms);
            let from = moment(*from);
            if *is_now {
                format!("Nobody has taken pushes for {length}, since {from}: {cause}.")
            } else {
                let which = if *may_lose {
                    "that may have cost pushes"
                } else {
                    "of the last 30 days"
                };
                format!("The longest {which} took {length}, from {from}: {cause}.")
            }
        }
        Seen::NoDowntime => "None in the last 30 days.".to_owned(),
        Seen::NoLifetime => "No server has run on this database yet.".to_owned(),
        Seen::Lag { p95_ms, pushes } => format!(
            "Of {} pushes of the last day, 95 % were here within {}.",
            grouped(*pushes),
            duration(*p95_ms)
        ),
        Seen::NoLag => "No push of the last day says when it was published.".to_owned(),
        Seen::Rows {
            last_day,
            deliveries,
        } => format!(
            "{} came in the last day, {} are kept.",
            grouped(*last_day),
            grouped(*deliveries)
        ),
        Seen::Disk {
            free,
            days,
            bytes_a_day,
        } => match days {
            Some(days) => format!(
                "{} are free; at {} a day, as of the last day, that is {} days.",
                size(*free),
                size(*bytes_a_day),
                grouped(*days)
            ),
            None => format!(
                "{} are free; too little came to say for how long.",
                size(*free)
            ),
        },
        Seen::NoDisk => "The system does not say how much is free.".to_owned(),
        Seen::FileSystem { kind, nature } => match nature {
            Nature::Local => format!("{kind}, a local one."),
            Nature::Network => format!("{kind}, a network file system."),
            Nature::Memory => format!("{kind}, which is memory and gone with the power."),
            Nature::Layered => format!("{kind}, a container's own, which is gone with it."),
        },
        Seen::NoFileSystem => "The system does not say what the database stands on.".to_owned(),
        Seen::Sync { took } => format!(
            "4 KiB are on disk after {:.1} ms.",
            took.as_secs_f64() * 1e3
        ),
        Seen::NoSync => "No file could be written beside the database to see.".to_owned(),
        Seen::Log { bytes } => format!("The write-ahead log has {}.", size(*bytes)),
        Seen::Sqlite { version } => format!("Version {version}."),
        Seen::Integrity(Integrity::Whole { is_deep: true }) => {
            "Every page and every index was read: the database is whole.".to_owned()
        }
        Seen::Integrity(Integrity::Whole { is_deep: false }) => {
            "Every page was read: the database is whole.".to_owned()
        }
        Seen::Integrity(Integrity::Damaged { found }) => {
            format!("The database is damaged: {found}.")
        }
        Seen::Integrity(Integrity::Unfinished) => {
            "Nothing was wrong in the time there was, which was not enough for all of it."
                .to_owned()
        }
        Seen::NoIntegrity => "Not looked at here.".to_owned(),
    }
}

fn source(source: &SourceFacts) -> String {
    let SourceFacts {
        name,
        owners,
        pinned,
        allowed,
        topics,
        is_guessable,
    } = source;
    let mut parts = vec![match (owners.as_slice(), pinned) {
        ([], None) => "it lets in the owner of its first push".to_owned(),
        ([], Some(pinned)) => format!("it lets in the pinned owner {pinned}"),
        (owners, _) => format!("it lets in owner {}", owners.join(", ")),
    }];
    if !allowed.is_empty() {
        parts.push(format!("and {}, whom a person allowed", allowed.join(", ")));
    }
    parts.push(match topics.as_slice() {
        [] => "with any topic".to_owned(),
        topics => format!("with topic {}", topics.join(", ")),
    });
    let path = if *is_guessable {
        "a path of it can be guessed"
    } else {
        "its path is secret"
    };
    format!("{name}: {}; {path}.", parts.join(" "))
}

#[expect(clippy::too_many_lines, reason = "one arm for each thing that is said")]
pub(super) fn to_do(finding: &Finding) -> Option<&'static str> {
    if finding.verdict == Verdict::Fine {
        return None;
    }
    let advice = match &finding.seen {
        Seen::ServerRuns { .. } => return None,
        Seen::WriterStuck => "Look at the disk; stop the server if it stays so.",
        Seen::WriterFailing { .. } => {
            "Make room if the disk is full; end whatever else writes to the database; else look at \
             the disk."
        }
        Seen::WriterEnded { .. } => "Look at the log, then start the server again.",
        Seen::NoServer => "Start it with mpsink serve; what only it knows is missing here.",
        Seen::ServerSilent { .. } => "Look whether it hangs, and start it again if it does.",
        Seen::Receiver { .. } => {
            "SMQ cannot reach it: give receiver.listen another address, or set receiver.public_url \
             for the proxy in front of it."
        }
        Seen::Dashboard {
            has_login: true, ..
        } => {
            "Passwords cross the network readable: put a proxy with TLS before it, and let it listen \
             on 127.0.0.1."
        }
        Seen::Dashboard {
            has_login: false, ..
        } => "Give it users or tokens, or let it listen on 127.0.0.1.",
        Seen::PublicUrl {
            kind: UrlKind::Private,
            ..
        } => "Set receiver.public_url to an address that the internet reaches.",
        Seen::PublicUrl { .. } => "Put TLS before it, and register it with https.",
        Seen::NoPublicUrl => {
            "Set receiver.public_url to the address as SMQ sees it; /connect then shows what to \
             register."
        }
        Seen::Source(_) => {
            "Make a path that nobody can guess the first of the source, and name its owners."
        }
        Seen::Certificate { .. } => {
            "The documented host is another one: see that verify.certificate_urls names only hosts \
             that are SMQ's."
        }
        Seen::NoCertificate => {
            "It is fetched at the start and with the first push. If it stays so, let this machine \
             reach the hosts of verify.certificate_urls, by verify.proxy if need be."
        }
        Seen::Clock { .. } => "Set the clock, and keep it right with NTP.",
        Seen::NoPushClock => "See with the first push.",
        Seen::RetriesSet { .. } | Seen::RetriesSeem { .. } => {
            "Choose EXPONENTIAL_DECAY_RETRY on the subscription, which repeats for a day, and change \
             retry_policy of the source."
        }
        Seen::NoRetries => {
            "Choose EXPONENTIAL_DECAY_RETRY on the subscription: it repeats for a day, the default for \
             30 s only. The SMQ console shows it as the subscription's retry policy; write what it \
             shows as retry_policy under [[source]], and downtimes are judged by it."
        }
        Seen::Downtime { .. } => {
            "SMQ's default policy gives up after 30 s, EXPONENTIAL_DECAY_RETRY after a day: see on \
             /completeness what came again."
        }
        Seen::NoDowntime | Seen::NoLifetime => "See once a server has run.",
        Seen::Lag { .. } => "See on /completeness whether pushes are repeated or late since when.",
        Seen::NoLag => "See once pushes come.",
        Seen::Rows { .. } => "See on /connect and /completeness whether pushes should have come.",
        Seen::Disk { .. } => {
            "Make room: on a full disk every push is answered 503, and nothing can be pruned. A \
             shorter [retention] keeps the database from growing on."
        }
        Seen::NoDisk => "Look yourself.",
        Seen::FileSystem { .. } => {
            "Put the database on a local disk (in a container: on a volume of one), and copy it \
             elsewhere with mpsink backup."
        }
        Seen::NoFileSystem => "See that it is a local disk.",
        Seen::Sync { .. } => {
            "Each commit waits for that: look what else writes to this disk, or take another one."
        }
        Seen::NoSync => {
            "Make room if the disk is full; else see that whoever runs this may write in the \
             database's folder."
        }
        Seen::Log { .. } => {
            "Something reads for long: a backup, an export of another program, Litestream. It is \
             written back once that ends."
        }
        Seen::Sqlite { .. } => "It can damage a log: build with a newer one.",
        Seen::Integrity(Integrity::Damaged { .. }) => {
            "Stop the server, look at the disk, and restore a backup with mpsink restore."
        }
        Seen::Integrity(_) => "mpsink doctor --deep takes the time.",
        Seen::NoIntegrity => "mpsink doctor looks at it.",
    };
    Some(advice)
}
