//! The filters above a list: those that are set, the choices as links, and the form for the rest.
//!
//! All of it comes from the parameters that the list knows, so that none is forgotten. A link keeps
//! what else was given but the cursor, since that was a place among other rows.

use crate::clock::Timestamp;
use crate::web::cursors::List;
use crate::web::lists::{Choice, Given, ListFilter};
use crate::web::pages::Frame;

/// The filters of one list as its page shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    pub path: &'static str,
    pub set: Vec<SetFilter>,
    pub groups: Vec<Group>,
    pub fields: Vec<Field>,
    /// What the form sends along, so that a choice or the length of the page is not lost.
    pub kept: Vec<(String, String)>,
    /// The list without any filter.
    pub all: String,
    /// What its field `q` finds; empty if it has none.
    pub find_hint: &'static str,
}

/// A filter that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetFilter {
    pub parameter: String,
    /// What the parameter is called.
    pub name: String,
    pub value: String,
    /// The state whose icon stands for the value; empty for none.
    pub icon: String,
    /// The list without it.
    pub drop: String,
}

/// Values of one parameter as links, of which one is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub chips: Vec<Chip>,
}

/// A value as a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chip {
    pub text: String,
    /// The state whose icon stands for it; empty for none.
    pub icon: String,
    pub link: String,
    pub is_on: bool,
}

/// One field of the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    pub label: String,
    pub value: String,
    pub is_time: bool,
    /// Its value is one of these, or empty; without any it is a text.
    pub options: Vec<(&'static str, String)>,
}

impl Field {
    /// Tells whether an option is the chosen one.
    pub fn is_chosen(&self, option: &str) -> bool {
        self.value == option
    }
}

impl Filters {
    /// Makes the filters of the list that `F` chooses rows of.
    pub fn of<F: ListFilter>(given: &Given, frame: &Frame) -> Filters {
        let build = Build {
            list: F::LIST,
            path: F::PATH,
            given,
            frame,
        };
        let parameters = F::KNOWN.iter().copied();
        let filters = parameters.filter(|name| !matches!(*name, "limit" | "cursor"));
        let mut groups = Vec::new();
        let mut fields = Vec::new();
        for name in filters {
            match choice_of(F::LIST, name) {
                Some(choice) if is_linked(choice) => groups.push(build.group(name, choice)),
                choice => fields.push(build.field(name, choice)),
            }
            if name == "from" {
                groups.push(build.since());
            }
        }
        let is_kept = |name: &str| name == "limit" || groups_have(F::LIST, name);
        let kept = F::KNOWN.iter().filter(|name| is_kept(name));
        let kept = kept.filter_map(|name| Some(((*name).to_owned(), given.find(name)?.to_owned())));
        Filters {
            path: F::PATH,
            set: build.set(),
            kept: kept.collect(),
            groups,
            fields,
            all: Given::default()
                .with("limit", given.text("limit"))
                .link(F::PATH),
            find_hint: frame.texts.lists.of(F::LIST).find_hint,
        }
    }

    /// Says what the workflow is called that rows are chosen of, where `name` is known.
    #[must_use]
    pub fn with_workflow_name(mut self, name: Option<&str>, frame: &Frame) -> Filters {
        let name = name.filter(|name| !name.is_empty());
        let mut set = self.set.iter_mut();
        if let (Some(name), Some(set)) = (name, set.find(|set| set.parameter == "workflow")) {
            frame.texts.words.heads.workflow.clone_into(&mut set.name);
            name.clone_into(&mut set.value);
        }
        self
    }

    /// Returns what is set of a parameter.
    pub fn find(&self, parameter: &str) -> Option<&SetFilter> {
        self.set.iter().find(|set| set.parameter == parameter)
    }

    pub fn has_times(&self) -> bool {
        self.fields.iter().any(|field| field.is_time)
    }

    pub fn has_find(&self) -> bool {
        self.fields.iter().any(|field| field.name == "q")
    }
}

/// Returns which few words a parameter of a list takes, if it does.
fn choice_of(list: List, name: &str) -> Option<Choice> {
    match (list, name) {
        (List::Runs, "state") => Some(Choice::Outcome),
        (_, "state") => Some(Choice::State),
        (_, "kind") => Some(Choice::Kind),
        (_, "format") => Some(Choice::Format),
        (_, "only") => Some(Choice::Only),
        (List::Refusals, "reason") => Some(Choice::RefusalReason),
        (_, "reason") => Some(Choice::HoldReason),
        _ => None,
    }
}

/// Tells whether a choice stands above the list as links; else it is one of the form's fields.
fn is_linked(choice: Choice) -> bool {
    match choice {
        Choice::State | Choice::Outcome | Choice::Kind | Choice::Only | Choice::HoldReason => true,
        Choice::Format | Choice::RefusalReason | Choice::Order | Choice::ZeroOrOne => false,
    }
}

fn groups_have(list: List, name: &str) -> bool {
    choice_of(list, name).is_some_and(is_linked)
}

/// What the parts of the filters are made from.
struct Build<'a> {
    list: List,
    path: &'static str,
    given: &'a Given,
    frame: &'a Frame,
}

impl Build<'_> {
    fn name(&self, name: &str) -> String {
        self.frame.texts.lists.name(self.list, name).to_owned()
    }

    fn word(&self, choice: Choice, word: &str) -> String {
        let texts = self.frame.texts;
        let text = texts.lists.choice(choice, word, texts);
        text.to_owned()
    }

    /// Returns the lengths of time that are offered as links, with their texts.
    fn lengths(&self) -> [(&'static str, &'static str); 4] {
        let texts = &self.frame.texts.lists;
        [
            ("", texts.any),
            ("1h", texts.last_hour),
            ("24h", texts.last_day),
            ("7d", texts.last_week),
        ]
    }

    fn group(&self, name: &'static str, choice: Choice) -> Group {
        let any = ("", self.frame.texts.lists.any.to_owned());
        let words = choice.words().into_iter();
        let values = words.map(|word| (word, self.word(choice, word)));
        let chips = [any].into_iter().chain(values).map(|(value, text)| Chip {
            text,
            icon: icon(choice, value),
            link: self.link(&self.given.with(name, value)),
            is_on: self.given.text(name) == value,
        });
        Group {
            name: self.name(name),
            chips: chips.collect(),
        }
    }

    fn since(&self) -> Group {
        let has_end = self.given.find("to").is_some();
        let chips = self.lengths().map(|(value, text)| Chip {
            text: text.to_owned(),
            icon: String::new(),
            link: self.link(&self.given.with("to", "").with("from", value)),
            is_on: !has_end && self.given.text("from") == value,
        });
        Group {
            name: self.frame.texts.lists.time.to_owned(),
            chips: chips.into_iter().collect(),
        }
    }

    fn field(&self, name: &'static str, choice: Option<Choice>) -> Field {
        let given = self.given.text(name);
        let is_time = matches!(name, "from" | "to");
        let options = choice.map(Choice::words).unwrap_or_default().into_iter();
        let options = options.map(|word| (word, choice.map(|choice| self.word(choice, word))));
        Field {
            name,
            label: self.name(name),
            value: if is_time {
                self.time(given)
            } else {
                given.to_owned()
            },
            is_time,
            options: options
                .map(|(word, text)| (word, text.unwrap_or_default()))
                .collect(),
        }
    }

    fn set(&self) -> Vec<SetFilter> {
        let set = self.given.filters().map(|(name, value)| {
            let choice = choice_of(self.list, name);
            SetFilter {
                parameter: name.to_owned(),
                name: self.name(name),
                value: match choice {
                    Some(choice) => self.word(choice, value),
                    None if matches!(name, "from" | "to") => self.length_or_time(value),
                    None => value.to_owned(),
                },
                icon: choice.map(|choice| icon(choice, value)).unwrap_or_default(),
                drop: self.link(&self.given.with(name, "")),
            }
        });
        set.collect()
    }

    fn length_or_time(&self, value: &str) -> String {
        let mut lengths = self.lengths().into_iter();
        match lengths.find(|(length, _)| *length == value) {
            Some((_, text)) => text.to_owned(),
            None => self.time(value),
        }
    }

    /// Returns a time as the viewer types it; a length of time as it is.
    fn time(&self, value: &str) -> String {
        match Timestamp::parse_rfc3339(value) {
            Some(at) => self.frame.viewer.time_text(at),
            None => value.to_owned(),
        }
    }

    fn link(&self, given: &Given) -> String {
        given.with("cursor", "").link(self.path)
    }
}

/// Returns the state whose icon stands for a value.
fn icon(choice: Choice, value: &str) -> String {
    match choice {
        Choice::State | Choice::Outcome => value.to_owned(),
        Choice::Kind
        | Choice::Format
        | Choice::Only
        | Choice::HoldReason
        | Choice::RefusalReason
        | Choice::Order
        | Choice::ZeroOrOne => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;
    use crate::store::filters::{DeliveryFilter, JobFilter, RefusalFilter, RunFilter};
    use crate::web::pages::tests::frame_in;
    use crate::web::texts::Language;

    fn filters<F: ListFilter>(query: &str, language: Language) -> Filters {
        let frame = frame_in(language, Tz::Asia__Shanghai);
        Filters::of::<F>(&Given::parse(query, F::KNOWN).unwrap(), &frame)
    }

    fn links(chips: &[Chip]) -> Vec<&str> {
        chips.iter().map(|chip| chip.link.as_str()).collect()
    }

    #[test]
    fn a_choice_keeps_the_other_filters_and_starts_at_the_newest() {
        let query = "workflow=w&state=failed&limit=5&cursor=c";
        let filters = filters::<RunFilter>(query, Language::English);
        let states = &filters.groups[0];
        let expected = [
            "/runs?workflow=w&limit=5",
            "/runs?workflow=w&limit=5&state=running",
            "/runs?workflow=w&limit=5&state=succeeded",
        ];
        assert_eq!(links(&states.chips)[..3], expected);
        let on: Vec<_> = states.chips.iter().filter(|chip| chip.is_on).collect();
        assert_eq!((on.len(), on[0].text.as_str()), (1, "failed"));
        assert_eq!(states.name, "Outcome");
    }

    #[test]
    fn each_filter_that_is_set_has_a_link_that_drops_it_alone() {
        let query = "queue=hd&state=failed&from=24h&cursor=c";
        let filters = filters::<JobFilter>(query, Language::Chinese);
        let set: Vec<_> = filters
            .set
            .iter()
            .map(|set| (set.name.as_str(), set.value.as_str(), set.drop.as_str()))
            .collect();
        let expected = [
            ("管道", "hd", "/jobs?state=failed&from=24h"),
            ("状态", "失败", "/jobs?queue=hd&from=24h"),
            ("从", "24 小时", "/jobs?queue=hd&state=failed"),
        ];
        assert_eq!(set, expected);
        assert_eq!(filters.all, "/jobs");
    }

    #[test]
    fn a_length_of_time_takes_the_place_of_both_ends() {
        let query = "from=2024-05-06T00:00:00Z&to=2024-05-07T00:00:00Z";
        let filters = filters::<JobFilter>(query, Language::English);
        let time = filters.groups.last().unwrap();
        let expected = ["/jobs", "/jobs?from=1h", "/jobs?from=24h", "/jobs?from=7d"];
        assert_eq!(links(&time.chips), expected);
        assert!(time.chips.iter().all(|chip| !chip.is_on));
    }

    #[test]
    fn times_are_shown_and_edited_in_the_viewers_zone() {
        let filters = filters::<JobFilter>("to=2024-05-06T00:00:00Z", Language::English);
        let to = filters.fields.iter().find(|field| field.name == "to");
        assert_eq!(to.unwrap().value, "2024-05-06 08:00:00");
        assert_eq!(filters.set[0].value, "2024-05-06 08:00:00");
    }

    #[test]
    fn the_form_sends_along_what_it_has_no_field_for() {
        let given = "state=failed&queue=q&limit=7&cursor=c";
        let filters = filters::<JobFilter>(given, Language::English);
        let kept = [("state", "failed"), ("limit", "7")];
        let kept = kept.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(filters.kept, kept);
        let names: Vec<_> = filters.fields.iter().map(|field| field.name).collect();
        assert_eq!(
            names,
            [
                "queue", "region", "workflow", "type", "code", "q", "from", "to"
            ]
        );
    }

    #[test]
    fn a_choice_of_many_or_rare_words_is_a_field_of_the_form() {
        let refusals = filters::<RefusalFilter>("reason=signature_wrong", Language::English);
        let reason = &refusals.fields[0];
        assert_eq!((reason.name, reason.options.len()), ("reason", 10));
        assert!(reason.is_chosen("signature_wrong"));
        assert_eq!(refusals.set[0].value, "The signature does not hold.");
        let deliveries = filters::<DeliveryFilter>("", Language::English);
        assert_eq!(deliveries.groups[0].chips.len(), 4);
    }
}
