//! Whether pushes come, are believed and let in, for each source: what `/connect` shows.
//!
//! It is read from the store and the configuration alone, each time: nothing is remembered between
//! two looks, so that it says the same after a restart.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::notification::source::Source;
use crate::store::Store;
use crate::store::errors::ReadError;
use crate::store::filters::HeldFilter;
use crate::store::records::{
    DeliveryRecord, HeldRecord, Page, RefusalCount, SourceRecord, StrayRecord,
};

/// How many of the newest held pushes of a source are looked at for their kinds.
const HELD_LOOKED_AT: u32 = 100;

/// Kinds of held pushes shown for a source: each wants a decision of its own, and `/held` has all.
const HELD_KINDS_MAX: usize = 5;

/// Strays shown: enough to compare a path.
const STRAYS_SHOWN: usize = 3;

/// How far a source has come. A later one does not take back an earlier: what is held or refused
/// beside is shown all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    Waiting,
    /// Something was refused, nothing held or let in.
    Refused,
    /// Something was held, nothing let in.
    Held,
    Connected,
}

impl Progress {
    pub fn word(self) -> &'static str {
        match self {
            Progress::Waiting => "waiting",
            Progress::Refused => "refused",
            Progress::Held => "held",
            Progress::Connected => "connected",
        }
    }
}

/// What is wrong with the endpoint's address, as far as the configuration tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointTrouble {
    /// `receiver.public_url` is empty.
    NoPublicUrl,
    /// It is not https.
    PlainHttp,
}

/// All there is to know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Connection {
    pub endpoint_trouble: Option<EndpointTrouble>,
    pub sources: Vec<SourceState>,
    pub strays: Strays,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceState {
    pub name: String,
    /// The URL to register, with the secret: it is shown to whoever sees this page.
    pub endpoint: String,
    pub progress: Progress,
    pub first: Option<DeliveryRecord>,
    pub newest: Option<DeliveryRecord>,
    pub owners: Vec<OwnerState>,
    /// The newest of each kind of held push.
    pub held: Vec<HeldKind>,
    pub refused: Vec<RefusalCount>,
}

/// A topic owner that is let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnerState {
    pub owner: String,
    pub by: AllowedBy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AllowedBy {
    Configuration,
    FirstPush,
    Person,
}

/// Held pushes that one decision is about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeldKind {
    pub newest: HeldRecord,
    /// How many of the newest held pushes that were looked at are of this kind.
    pub count: u64,
}

/// Pushes of SMQ's kind to paths of no source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Strays {
    pub total: u64,
    pub latest: Vec<StrayRecord>,
}

/// What the configuration says, which the store does not know.
#[derive(Clone, Debug)]
pub struct Configured {
    pub sources: Vec<Source>,
    /// The URL of the first source's first path.
    pub endpoint: String,
    pub has_public_url: bool,
}

impl Connection {
    /// Reads it.
    pub fn read(store: &Store, configured: &Configured) -> Result<Connection, ReadError> {
        let mut known = store.sources()?;
        let refused = store.refusal_counts()?;
        let (strays, total) = store.strays()?;
        let mut sources = Vec::with_capacity(configured.sources.len());
        for source in &configured.sources {
            let at = known.iter().position(|record| record.id == source.id);
            let record = at.map(|at| known.swap_remove(at));
            let refused = refused.iter().filter(|count| count.source == source.name);
            sources.push(SourceState::of(
                source,
                configured.endpoint_of(source),
                record,
                held_kinds(store, source)?,
                refused.cloned().collect(),
            ));
        }
        Ok(Connection {
            endpoint_trouble: configured.endpoint_trouble(),
            sources,
            strays: Strays {
                total,
                latest: strays.into_iter().take(STRAYS_SHOWN).collect(),
            },
        })
    }
}

impl Configured {
    /// Returns the URL of a source's first path: all sources have the same address before it.
    fn endpoint_of(&self, source: &Source) -> String {
        let first = self.sources.first().and_then(|first| first.paths.first());
        let base = first.and_then(|path| self.endpoint.strip_suffix(path.as_str()));
        let path = source.paths.first().map_or("", String::as_str);
        format!("{}{path}", base.unwrap_or_default())
    }

    fn endpoint_trouble(&self) -> Option<EndpointTrouble> {
        if !self.has_public_url {
            return Some(EndpointTrouble::NoPublicUrl);
        }
        let is_safe = self.endpoint.starts_with("https://");
        (!is_safe).then_some(EndpointTrouble::PlainHttp)
    }
}

impl SourceState {
    fn of(
        source: &Source,
        endpoint: String,
        record: Option<SourceRecord>,
        held: Vec<HeldKind>,
        refused: Vec<RefusalCount>,
    ) -> SourceState {
        let (first, newest, allowed) = record.map_or_else(Default::default, |record| {
            (record.first, record.newest, record.owners)
        });
        let configured = source.owners.iter().map(|owner| OwnerState {
            owner: owner.clone(),
            by: AllowedBy::Configuration,
        });
        let allowed = allowed.into_iter().map(|allowed| OwnerState {
            owner: allowed.owner,
            by: if allowed.is_pinned {
                AllowedBy::FirstPush
            } else {
                AllowedBy::Person
            },
        });
        let progress = if first.is_some() {
            Progress::Connected
        } else if !held.is_empty() {
            Progress::Held
        } else if !refused.is_empty() {
            Progress::Refused
        } else {
            Progress::Waiting
        };
        SourceState {
            name: source.name.clone(),
            endpoint,
            progress,
            first,
            newest,
            owners: configured.chain(allowed).collect(),
            held,
            refused,
        }
    }
}

/// Returns the kinds of what is held of a source, the newest first.
fn held_kinds(store: &Store, source: &Source) -> Result<Vec<HeldKind>, ReadError> {
    let filter = HeldFilter {
        source: Some(source.name.clone()),
        ..HeldFilter::default()
    };
    let listing = store.page_held(&filter, Page::first(HELD_LOOKED_AT))?;
    let kind = |held: &HeldRecord| (held.reason, held.owner.clone(), held.topic.clone());
    let mut known = BTreeSet::new();
    let mut kinds: Vec<HeldKind> = Vec::new();
    for held in listing.items {
        if known.insert(kind(&held)) {
            kinds.push(HeldKind {
                newest: held,
                count: 1,
            });
        } else if let Some(like) = kinds
            .iter_mut()
            .find(|like| kind(&like.newest) == kind(&held))
        {
            like.count = like.count.saturating_add(1);
        }
    }
    kinds.truncate(HELD_KINDS_MAX);
    Ok(kinds)
}
