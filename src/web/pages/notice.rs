//! What the page after a decision says happened; its sentences are in `texts/arrivals.rs`.
//!
//! The decision is a POST that answers with a redirect, so the notice travels in the address, as
//! one of a few words and a number. Text never does: any site can link to any address of ours, and
//! it must not be able to put its words on the page.

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    Admitted,
    Duplicate,
    StillHeld,
    Dropped,
    OwnerAllowed {
        admitted: u64,
    },
    TopicAllowed {
        admitted: u64,
    },
    /// The settings.
    Saved,
}

impl Notice {
    /// The parameter's name.
    pub const PARAMETER: &'static str = "notice";

    /// Returns `path`, which has no query, with this notice behind it.
    pub fn link(self, path: &str) -> String {
        let (word, number) = match self {
            Notice::Admitted => ("admitted", None),
            Notice::Duplicate => ("duplicate", None),
            Notice::StillHeld => ("still_held", None),
            Notice::Dropped => ("dropped", None),
            Notice::OwnerAllowed { admitted } => ("owner_allowed", Some(admitted)),
            Notice::TopicAllowed { admitted } => ("topic_allowed", Some(admitted)),
            Notice::Saved => ("saved", None),
        };
        let number = number.map(|number| format!(".{number}"));
        let number = number.unwrap_or_default();
        format!("{path}?{}={word}{number}", Notice::PARAMETER)
    }

    /// Reads the parameter's value; what is none of ours is nothing.
    pub fn parse(value: &str) -> Option<Notice> {
        let (word, number) = match value.split_once('.') {
            Some((word, number)) => (word, Some(number.parse().ok()?)),
            None => (value, None),
        };
        match (word, number) {
            ("admitted", None) => Some(Notice::Admitted),
            ("duplicate", None) => Some(Notice::Duplicate),
            ("still_held", None) => Some(Notice::StillHeld),
            ("dropped", None) => Some(Notice::Dropped),
            ("saved", None) => Some(Notice::Saved),
            ("owner_allowed", Some(admitted)) => Some(Notice::OwnerAllowed { admitted }),
            ("topic_allowed", Some(admitted)) => Some(Notice::TopicAllowed { admitted }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_read_back_from_its_link() {
        let all = [
            Notice::Admitted,
            Notice::Duplicate,
            Notice::StillHeld,
            Notice::Dropped,
            Notice::OwnerAllowed { admitted: 0 },
            Notice::TopicAllowed { admitted: 12 },
            Notice::Saved,
        ];
        for notice in all {
            let link = notice.link("/held");
            let value = link.strip_prefix("/held?notice=").unwrap();
            assert_eq!(Notice::parse(value), Some(notice), "{link}");
        }
    }

    #[test]
    fn words_of_others_are_no_notice() {
        for value in [
            "",
            "admitted.1",
            "owner_allowed",
            "owner_allowed.x",
            "Call this number",
        ] {
            assert_eq!(Notice::parse(value), None, "{value}");
        }
    }
}
