//! `mpsink export`: a list, whole, as a file or on standard output.
//!
//! It reads the database beside a running server, or a copy of it, and writes nothing there. The
//! filters are those of the list's address, read by the same functions. To a file it writes beside and
//! renames, so that a file under its own name is always whole (`output.rs`).

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::cli::output::Output;
use crate::cli::told::write_over;
use crate::cli::{Common, complain};
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, Flags};
use crate::export::{Export as Exporting, Format, Options, Selection, Step};
use crate::store::Store;
use crate::store::options::Purpose;
use crate::store::records::RowId;
use crate::store::restore::require_there;
use crate::store::scan_records::Table;
use crate::web::exports::{selection, what_is_wrong};
use crate::web::lists::{QueryError, encoded};

/// Between two looks of the progress: as often as an eye can follow.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// The exit code of wrong usage.
const WRONG_USAGE: u8 = 2;

#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    common: Common,
    /// What to export
    #[arg(value_name = "TABLE", value_parser = tables())]
    table: Table,
    /// The file to write; with .gz at its end it is compressed [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How to write it [default: by the file's ending; on standard output csv]
    #[arg(long, value_name = "FORMAT")]
    format: Option<FormatName>,
    /// CSV for spreadsheets: with a byte order mark, and an apostrophe before what could be a formula
    #[arg(long)]
    excel: bool,
    /// End with a line that says how many rows there were, and where to go on; with ndjson
    #[arg(long)]
    end: bool,
    /// Leave out what an earlier export had: the `next` of its end line
    #[arg(long, value_name = "NUMBER", default_value_t = 0,
        value_parser = clap::value_parser!(RowId).range(0..))]
    after: RowId,
    /// Export from the database of `serve --try`
    #[arg(long = "try")]
    is_try: bool,
    #[command(flatten)]
    filters: Filters,
}

/// The parameters of every list; a list takes its own.
#[derive(Args)]
#[command(next_help_heading = "Filters, as in the address of the list")]
struct Filters {
    /// From this time on: 2024-05-06T08:00:00Z, or 24h, 7d back from now
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Jobs of this queue
    #[arg(long)]
    queue: Option<String>,
    /// Jobs, runs and activities of sources of this region
    #[arg(long)]
    region: Option<String>,
    /// Jobs, runs and activities of the workflow with this id
    #[arg(long, value_name = "ID")]
    workflow: Option<String>,
    /// Activities of the run with this id
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// Jobs and activities of this type, such as Transcode
    #[arg(long = "type", value_name = "TYPE")]
    kind_type: Option<String>,
    /// Jobs and activities in this state, runs with this outcome
    #[arg(long)]
    state: Option<String>,
    /// Jobs and activities that failed with this code
    #[arg(long)]
    code: Option<String>,
    /// Jobs and runs with this id, else with these words
    #[arg(long, value_name = "WORDS")]
    q: Option<String>,
    /// Events of this kind: job, run, activity, unrecognized
    #[arg(long)]
    kind: Option<String>,
    /// Deliveries, held and refused pushes of the source with this name
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Deliveries of this topic
    #[arg(long)]
    topic: Option<String>,
    /// Deliveries in this format: xml, json, simplified
    #[arg(long, value_name = "FORMAT")]
    envelope: Option<String>,
    /// Deliveries that are unrecognized, repeated, or that another message differs from
    #[arg(long, value_name = "WHICH")]
    only: Option<String>,
    /// Held and refused pushes for this reason
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatName {
    Csv,
    Ndjson,
    Json,
    /// `CloudEvents` 1.0 as one array; of events
    Cloudevents,
    /// `CloudEvents` 1.0, one a line; of events
    CloudeventsNdjson,
}

/// What a file's name ends with, the longer before the shorter.
const ENDINGS: [(&str, FormatName); 6] = [
    (".cloudevents.ndjson", FormatName::CloudeventsNdjson),
    (".cloudevents", FormatName::Cloudevents),
    (".csv", FormatName::Csv),
    (".ndjson", FormatName::Ndjson),
    (".jsonl", FormatName::Ndjson),
    (".json", FormatName::Json),
];

pub(super) fn run(command: &Export) -> anyhow::Result<ExitCode> {
    let clock = Clock::system();
    let asked = command
        .selection(clock.now())
        .and_then(|selection| Ok((selection, command.options()?)));
    let (selection, options) = match asked {
        Ok(asked) => asked,
        Err(error) => {
            complain(&error);
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    let config = Config::load(Flags {
        is_try: command.is_try,
        ..command.common.flags()
    })?;
    let database = config.database.display();
    require_there(&config.database)?;
    let store = Store::open_reading(&config.database, config.workflows, clock)
        .with_context(|| format!("cannot read {database}"))?;
    if store.purpose() == Purpose::Try {
        // Not in the file: CSV has no place for it.
        let _ = writeln!(
            io::stderr(),
            "TEST: {database} holds test pushes, so what is exported is no record"
        );
    }
    write(&store, selection, options, command.output.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

fn write(
    store: &Store,
    selection: Selection,
    options: Options,
    file: Option<&Path>,
) -> anyhow::Result<()> {
    let mut export = Exporting::begin(store, selection, options)?;
    let mut output = Output::open(file)?;
    let mut shown = Shown::new();
    loop {
        match export.step(store)? {
            Step::Chunk(bytes) => output.write(&bytes)?,
            Step::Searching => {}
            Step::End => break,
        }
        shown.update(&export);
    }
    output.finish()?;
    shown.end(&export);
    Ok(())
}

impl Export {
    fn selection(&self, now: Timestamp) -> anyhow::Result<Selection> {
        let query = self.filters.query();
        selection(self.table, &query, now).map_err(|error| anyhow!(self.sentence(&error)))
    }

    fn sentence(&self, error: &QueryError) -> String {
        let QueryError::Unknown { name, known } = error else {
            return what_is_wrong(error);
        };
        let options = known
            .iter()
            .filter(|name| !matches!(**name, "limit" | "cursor"))
            .map(|name| format!("--{}", option_of(name)));
        let options: Vec<String> = options.collect();
        format!(
            "{} cannot be filtered by --{}; known are {}",
            self.table.word(),
            option_of(name),
            options.join(", ")
        )
    }

    fn options(&self) -> anyhow::Result<Options> {
        let format = match (self.format, &self.output) {
            (Some(format), _) => format,
            (None, None) => FormatName::Csv,
            (None, Some(file)) => format_of(file).with_context(|| {
                let file = file.display();
                format!("the name {file} does not say which format; say so with --format")
            })?,
        };
        let format = match format {
            FormatName::Csv if self.excel => Format::ExcelCsv,
            FormatName::Csv => Format::Csv,
            FormatName::Ndjson => Format::JsonLines,
            FormatName::Json => Format::Json,
            FormatName::Cloudevents => Format::CloudEvents,
            FormatName::CloudeventsNdjson => Format::CloudEventLines,
        };
        if self.excel && format != Format::ExcelCsv {
            bail!("--excel is for csv alone");
        }
        if self.end && !format.is_lines() {
            bail!("--end is for formats of lines alone: ndjson, cloudevents-ndjson");
        }
        if format.is_cloud_events() && self.table != Table::Events {
            bail!("only events can be written as CloudEvents");
        }
        Ok(Options {
            format,
            with_end: self.end,
            after: self.after,
        })
    }
}

impl Filters {
    /// Returns them as a query string.
    fn query(&self) -> String {
        let all = [
            ("from", &self.from),
            ("to", &self.to),
            ("queue", &self.queue),
            ("region", &self.region),
            ("workflow", &self.workflow),
            ("run", &self.run),
            ("type", &self.kind_type),
            ("state", &self.state),
            ("code", &self.code),
            ("q", &self.q),
            ("kind", &self.kind),
            ("source", &self.source),
            ("topic", &self.topic),
            ("format", &self.envelope),
            ("only", &self.only),
            ("reason", &self.reason),
        ];
        let given = all.into_iter().filter_map(|(name, value)| {
            let value = value.as_deref()?;
            Some(format!("{name}={}", encoded(value)))
        });
        given.collect::<Vec<_>>().join("&")
    }
}

/// Returns the option for a parameter: all have its name but one, whose name is taken.
fn option_of(parameter: &str) -> &str {
    match parameter {
        "format" => "envelope",
        other => other,
    }
}

fn tables() -> impl TypedValueParser<Value = Table> {
    PossibleValuesParser::new(Table::ALL.map(Table::word))
        .try_map(|word| Table::from_word(&word).ok_or("there is no such table"))
}

fn format_of(file: &Path) -> Option<FormatName> {
    let name = file.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let found = ENDINGS.iter().find(|(ending, _)| name.ends_with(ending));
    found.map(|(_, format)| *format)
}

/// One line on a terminal that is written over; nothing where nobody looks.
struct Shown {
    is_terminal: bool,
    began: Instant,
    updated_at: Instant,
}

impl Shown {
    fn new() -> Shown {
        let now = Instant::now();
        Shown {
            is_terminal: io::stderr().is_terminal(),
            began: now,
            updated_at: now,
        }
    }

    fn update(&mut self, export: &Exporting) {
        if !self.is_terminal || self.updated_at.elapsed() < PROGRESS_EVERY {
            return;
        }
        self.updated_at = Instant::now();
        let (done, last) = export.reached();
        let percent = done.saturating_mul(100) / last.max(1);
        write_over(&format!("{}, {percent} %", self.pace(export)));
    }

    fn end(&self, export: &Exporting) {
        if self.is_terminal {
            write_over(&format!("{}\n", self.pace(export)));
        }
    }

    fn pace(&self, export: &Exporting) -> String {
        let rows = export.rows();
        let ms = self.began.elapsed().as_millis().max(1);
        let rate = u128::from(rows) * 1_000 / ms;
        format!("{rows} rows, {rate} rows/s")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Parser;

    use super::*;
    use crate::web::exports::filters_of;

    #[derive(Parser)]
    struct Asked {
        #[command(flatten)]
        filters: Filters,
    }

    #[test]
    fn every_filter_of_every_list_is_an_option_and_each_option_is_one() {
        let all = Table::ALL.into_iter().flat_map(filters_of).copied();
        let all: BTreeSet<&str> = all.collect();
        for name in &all {
            let option = format!("--{}", option_of(name));
            let asked = Asked::try_parse_from(["x", &option, "a b"]);
            let query = asked.map(|asked| asked.filters.query());
            assert_eq!(query.unwrap_or_default(), format!("{name}=a%20b"));
        }
        let options = <Asked as clap::CommandFactory>::command();
        let options = options.get_arguments().count();
        assert_eq!(options, all.len());
    }

    #[test]
    fn a_file_s_name_says_its_format_also_when_compressed() {
        for (name, expected) in [
            ("jobs.csv", Some(FormatName::Csv)),
            ("a/b.c/Jobs.CSV.gz", Some(FormatName::Csv)),
            ("x.ndjson", Some(FormatName::Ndjson)),
            ("x.jsonl.gz", Some(FormatName::Ndjson)),
            ("x.json", Some(FormatName::Json)),
            ("x.cloudevents", Some(FormatName::Cloudevents)),
            (
                "x.cloudevents.ndjson.gz",
                Some(FormatName::CloudeventsNdjson),
            ),
            ("x.parquet", None),
            ("csv", None),
            ("x.gz", None),
        ] {
            assert_eq!(format_of(Path::new(name)), expected, "{name}");
        }
    }
}
