//! Numbers that stand above lanes, each with its list and with what it means.

use crate::store::lane_records::{Lag, Overview};
use crate::store::records::Attention;
use crate::web::pages::lanes::{Sight, over};
use crate::web::texts::words::grouped;

/// One number.
#[derive(Clone, Debug, Default)]
pub struct Card {
    pub name: &'static str,
    pub number: String,
    /// Below the number.
    pub aside: String,
    /// The list of what it counts.
    pub link: Option<String>,
    pub hint: &'static str,
    pub is_trouble: bool,
}

impl Card {
    /// Makes the card of how many there are in a list.
    pub fn counting(name: &'static str, number: u64, link: &str, hint: &'static str) -> Card {
        Card {
            name,
            number: grouped(number),
            link: Some(link.to_owned()),
            hint,
            ..Card::default()
        }
    }

    /// Makes the card of how late pushes came.
    pub fn of_lag(lag: Lag, sight: &Sight) -> Card {
        let texts = &sight.texts.overview;
        let card = Card {
            name: texts.lag,
            hint: sight.texts.lanes.lag_hint,
            ..Card::default()
        };
        if lag.of == 0 {
            return Card {
                number: "–".to_owned(),
                aside: sight.texts.lanes.lag_unknown.to_owned(),
                ..card
            };
        }
        Card {
            number: sight.length(lag.median_ms),
            aside: (texts.lag_p95)(&sight.length(lag.p95_ms)),
            ..card
        }
    }

    /// Marks what needs a person.
    #[must_use]
    pub fn troubling(self, is_trouble: bool) -> Card {
        Card { is_trouble, ..self }
    }
}

/// Returns the headline of the overview; `failing` lanes fail now.
pub fn headline(
    overview: &Overview,
    attention: Attention,
    failing: usize,
    sight: &Sight,
) -> Vec<Card> {
    let texts = &sight.texts.overview;
    let stuck = overview.stale;
    let stuck_text = if stuck.is_all {
        grouped(stuck.rows)
    } else {
        (sight.texts.words.at_least)(stuck.rows)
    };
    let is_stuck = stuck.rows > 0 || overview.lanes.iter().any(|lane| lane.stale > 0);
    let refused = attention.refused.saturating_add(attention.strays);
    let (from, to) = (sight.window.from(), sight.window.to());
    let events = over("/events?kind=unrecognized", from, to);
    let failing_hint = sight.texts.lanes.failing_hint;
    let last = overview.last_received_at;
    vec![
        Card {
            link: None,
            ..Card::counting(texts.failing, failing as u64, "", failing_hint)
        }
        .troubling(failing > 0),
        Card {
            number: stuck_text,
            ..Card::counting(
                texts.stuck,
                stuck.rows,
                "/runs?state=stale",
                texts.stuck_hint,
            )
        }
        .troubling(is_stuck),
        Card {
            name: texts.silent,
            number: last.map_or("–".to_owned(), |at| {
                (sight.texts.lanes.about)(sight.now.since_ms(at).max(0).unsigned_abs())
            }),
            aside: last.map_or(String::new(), |at| sight.viewer.time_text(at)),
            link: Some("/deliveries".to_owned()),
            hint: texts.silent_hint,
            is_trouble: false,
        },
        Card::counting(texts.held, attention.held, "/held", texts.held_hint)
            .troubling(attention.held > 0),
        Card::counting(texts.refused, refused, "/refusals", texts.refused_hint),
        Card::counting(
            texts.unrecognized,
            overview.unrecognized,
            &events,
            texts.unrecognized_hint,
        ),
        Card::of_lag(overview.lag, sight),
    ]
}
