//! The state words of jobs, runs and activities, and their normal form.
//!
//! One table for all products and years of MPS; it covers what the documentation and captured
//! messages show. The raw word is kept with the event, so that a word that is missing here is
//! shown, and understood after an update and a rebuild.

use crate::notification::event::JobState;

const WORDS: [(&str, JobState); 19] = [
    ("Submitted", JobState::Submitted),
    ("Queuing", JobState::Submitted),
    ("Transcoding", JobState::Running),
    ("Snapshoting", JobState::Running),
    ("Analyzing", JobState::Running),
    ("Analysing", JobState::Running),
    ("Processing", JobState::Running),
    ("Running", JobState::Running),
    ("Success", JobState::Succeeded),
    ("TranscodeSuccess", JobState::Succeeded),
    ("Finished", JobState::Succeeded),
    ("Fail", JobState::Failed),
    ("Failed", JobState::Failed),
    ("TranscodeFail", JobState::Failed),
    ("TranscodeCancelled", JobState::Cancelled),
    ("Cancelled", JobState::Cancelled),
    ("Canceled", JobState::Cancelled),
    ("Skipped", JobState::Skipped),
    // A run's graph has ended: no success, the outcome is computed from the activities.
    ("Completed", JobState::Completed),
];

/// Returns the normal form of MPS's `word`, ignoring case and blanks around it;
/// [`JobState::Unknown`] for any other word.
pub fn parse(word: &str) -> JobState {
    let word = word.trim();
    WORDS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(word))
        .map_or(JobState::Unknown, |(_, state)| *state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_table_has_its_normal_form_in_any_case() {
        let table = [
            (JobState::Submitted, "Submitted Queuing"),
            (
                JobState::Running,
                "Transcoding Snapshoting Analyzing Analysing Processing Running",
            ),
            (JobState::Succeeded, "Success TranscodeSuccess Finished"),
            (JobState::Failed, "Fail Failed TranscodeFail"),
            (JobState::Cancelled, "TranscodeCancelled Cancelled Canceled"),
            (JobState::Skipped, "Skipped"),
            (JobState::Completed, "Completed"),
        ];
        for (state, words) in table {
            for word in words.split(' ') {
                for spelling in [
                    word.to_owned(),
                    word.to_lowercase(),
                    word.to_uppercase(),
                    format!(" {word} "),
                ] {
                    assert_eq!(parse(&spelling), state, "{spelling}");
                }
            }
        }
    }

    #[test]
    fn any_other_word_is_unknown() {
        for word in ["", " ", "true", "Succeeded?", "成功", "Successful", "null"] {
            assert_eq!(parse(word), JobState::Unknown, "{word}");
        }
    }
}
