//! Why something failed: what a message says of it, and what a person should know about the code.
//!
//! The raw code is always kept; its group and its hint are computed when they are shown or folded,
//! so that a better table helps with yesterday's failures too. The codes and their causes are from
//! MPS's error code pages. A hint is a word of ours; which sentences say it is the pages' matter.
//!
//! **A `Code` is not always a failure**: successes carry `Success`, a blank, `null` or a friendly
//! sentence.

use crate::mps::fields::Fields;
use crate::mps::keys;
use crate::notification::event::{Failure, JobState};

/// Returns the group of `code`: one of a few words for the known ones, else the part before the
/// first dot, which is the whole of a code without one.
pub fn group(code: &str) -> &str {
    let first = code.split('.').next().unwrap_or(code);
    match code {
        "InvalidParameter.ResourceContentBad"
        | "InvalidParameter.ResourceNotFound"
        | "InvalidParameter.ResourceNotSupported"
        | "InvalidParameter.ResourceDeleted"
        | "InvalidParameter.NoAudioStream"
        | "InvalidParameter.MergeFileNoVideoOrAudio"
        | "InvalidParameter.WaterMarkFileFormatNotSupported" => "input",
        "PermissionDenied.ResourceAccess" => "permission",
        "PermissionDenied.ResourceQuotaExceed" => "quota",
        "InvalidParameter.TemplateNotFound" | "InvalidParameter.TemplateNotSupported" => "template",
        "InvalidIdentity.ServiceDisabled" => "account",
        _ => match first {
            "Throttling" => "quota",
            "SnapshotTimeOut" => "timeout",
            "NotSupportedJob" => "wrong queue",
            "DataEncryption" => "encryption",
            "InternalError" => "internal",
            "InvalidParameter" | "Parameters" | "MissingParameter" => "parameter",
            "" => code,
            _ => first,
        },
    }
}

/// What a person should know about a failure: which of the causes that MPS documents is behind its
/// code. The sentences, which differ by language, are the pages' (`web/texts/hints.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// The source file is broken, or cannot be read: the most frequent failure.
    ContentBad,
    /// The object is not where the job looked for it.
    ObjectMissing,
    /// The file is gone, or of a kind that the job cannot work with.
    FileUnfit,
    /// MPS may not reach the file.
    AccessDenied,
    /// The transcoding template does not exist or does not fit.
    TemplateUnfit,
    /// Snapshots were asked for beyond the end of the video.
    SnapshotTimesBeyondEnd,
    /// The service is off for the account.
    ServiceDisabled,
    /// A synchronous snapshot took too long.
    SnapshotTooSlow,
    /// The job was submitted to a queue that takes only other jobs.
    WrongQueue,
    /// MPS itself failed.
    Internal,
}

impl Hint {
    pub const ALL: [Hint; 10] = [
        Hint::ContentBad,
        Hint::ObjectMissing,
        Hint::FileUnfit,
        Hint::AccessDenied,
        Hint::TemplateUnfit,
        Hint::SnapshotTimesBeyondEnd,
        Hint::ServiceDisabled,
        Hint::SnapshotTooSlow,
        Hint::WrongQueue,
        Hint::Internal,
    ];
}

/// Returns what usually is behind `code`; `None` if the code says it all or is not known.
pub fn hint(code: &str) -> Option<Hint> {
    let first = code.split('.').next().unwrap_or(code);
    match code {
        "InvalidParameter.ResourceContentBad" => Some(Hint::ContentBad),
        "InvalidParameter.ResourceNotFound" => Some(Hint::ObjectMissing),
        "InvalidParameter.ResourceNotSupported"
        | "InvalidParameter.ResourceDeleted"
        | "InvalidParameter.NoAudioStream"
        | "InvalidParameter.MergeFileNoVideoOrAudio"
        | "InvalidParameter.WaterMarkFileFormatNotSupported" => Some(Hint::FileUnfit),
        "PermissionDenied.ResourceAccess" => Some(Hint::AccessDenied),
        "InvalidParameter.TemplateNotFound" | "InvalidParameter.TemplateNotSupported" => {
            Some(Hint::TemplateUnfit)
        }
        "InvalidParameter.TimeArray" => Some(Hint::SnapshotTimesBeyondEnd),
        "InvalidIdentity.ServiceDisabled" => Some(Hint::ServiceDisabled),
        _ => match first {
            "SnapshotTimeOut" => Some(Hint::SnapshotTooSlow),
            "NotSupportedJob" => Some(Hint::WrongQueue),
            "InternalError" => Some(Hint::Internal),
            _ => None,
        },
    }
}

/// Takes `Code` and `Message` as far as they say why something in `state` failed.
///
/// The vendor is silent about them on other states, so this is our guess: when it failed or was
/// cancelled, they are the failure. When the state is unknown, they are only if there is a code
/// that is an error. In any other state they are none; what says nothing (`Success`, a blank) is
/// dropped, and the rest stays in `extra`.
pub(super) fn take(fields: &mut Fields, state: JobState) -> Option<Failure> {
    let is_failure = match state {
        JobState::Failed | JobState::Cancelled => true,
        JobState::Unknown if fields.has_text(keys::CODE, |code| !is_no_error(code)) => true,
        // `Success` may be all that is known of it.
        JobState::Unknown => return None,
        JobState::Submitted
        | JobState::Running
        | JobState::Succeeded
        | JobState::Skipped
        | JobState::Completed => false,
    };
    fields.drop_text(keys::CODE, is_no_error);
    fields.drop_text(keys::MESSAGE, is_no_error);
    if !is_failure {
        return None;
    }
    let code = fields.take_name(keys::CODE);
    let message = fields.take_text(keys::MESSAGE);
    (code.is_some() || message.is_some()).then_some(Failure { code, message })
}

/// Tells whether this `Code` or `Message` is one that successes carry.
pub(super) fn is_no_error(text: &str) -> bool {
    const WORDS: [&str; 4] = ["", "null", "Success", "The job is completed successfully"];
    let text = text.trim().trim_end_matches('.');
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::mps::json::{self, Json};

    /// Code, group, and hint.
    const TABLE: [(&str, &str, Option<Hint>); 23] = [
        (
            "InvalidParameter.ResourceContentBad",
            "input",
            Some(Hint::ContentBad),
        ),
        (
            "InvalidParameter.ResourceNotFound",
            "input",
            Some(Hint::ObjectMissing),
        ),
        (
            "InvalidParameter.ResourceNotSupported",
            "input",
            Some(Hint::FileUnfit),
        ),
        (
            "InvalidParameter.ResourceDeleted",
            "input",
            Some(Hint::FileUnfit),
        ),
        (
            "InvalidParameter.NoAudioStream",
            "input",
            Some(Hint::FileUnfit),
        ),
        (
            "InvalidParameter.MergeFileNoVideoOrAudio",
            "input",
            Some(Hint::FileUnfit),
        ),
        (
            "InvalidParameter.WaterMarkFileFormatNotSupported",
            "input",
            Some(Hint::FileUnfit),
        ),
        (
            "PermissionDenied.ResourceAccess",
            "permission",
            Some(Hint::AccessDenied),
        ),
        ("PermissionDenied.ResourceQuotaExceed", "quota", None),
        ("Throttling", "quota", None),
        ("Throttling.User", "quota", None),
        (
            "InvalidParameter.TemplateNotFound",
            "template",
            Some(Hint::TemplateUnfit),
        ),
        (
            "InvalidParameter.TemplateNotSupported",
            "template",
            Some(Hint::TemplateUnfit),
        ),
        (
            "InvalidParameter.TimeArray",
            "parameter",
            Some(Hint::SnapshotTimesBeyondEnd),
        ),
        ("SnapshotTimeOut", "timeout", Some(Hint::SnapshotTooSlow)),
        (
            "NotSupportedJob.Boost",
            "wrong queue",
            Some(Hint::WrongQueue),
        ),
        ("DataEncryption.KeyWrong", "encryption", None),
        (
            "InvalidIdentity.ServiceDisabled",
            "account",
            Some(Hint::ServiceDisabled),
        ),
        ("InternalError", "internal", Some(Hint::Internal)),
        ("InvalidParameter.Anything", "parameter", None),
        ("InvalidParameter", "parameter", None),
        ("Parameters.Anything", "parameter", None),
        ("MissingParameter", "parameter", None),
    ];

    #[test]
    fn every_code_of_the_table_has_its_group_and_hint() {
        for (code, expected, expected_hint) in TABLE {
            assert_eq!(group(code), expected, "{code}");
            assert_eq!(hint(code), expected_hint, "{code}");
        }
    }

    #[test]
    fn an_unknown_code_groups_by_the_part_before_its_first_dot() {
        let cases = [
            ("PermissionDenied.Something.Else", "PermissionDenied"),
            ("InvalidParameters.A", "InvalidParameters"),
            ("Odd", "Odd"),
            ("错误.一", "错误"),
            (".Odd", ".Odd"),
            ("", ""),
        ];
        for (code, expected) in cases {
            assert_eq!(group(code), expected, "{code}");
            assert_eq!(hint(code), None, "{code}");
        }
    }

    #[test]
    fn every_hint_is_some_codes() {
        for wanted in Hint::ALL {
            assert!(TABLE.iter().any(|(_, _, hint)| *hint == Some(wanted)));
        }
    }

    fn taken(message: &str, state: JobState) -> (Option<Failure>, Value) {
        let Json::Object(entries) = json::parse(message.as_bytes()).unwrap() else {
            panic!("no object: {message}");
        };
        let mut fields = Fields::new(entries);
        let failure = take(&mut fields, state);
        (failure, Value::Object(fields.into_extra()))
    }

    #[test]
    fn code_and_message_are_a_failure_only_when_something_failed() {
        use JobState::{Cancelled, Completed, Failed, Running, Skipped, Submitted, Succeeded};
        let message = r#"{"Code":"InternalError","Message":"broken"}"#;
        for state in JobState::ALL {
            let (failure, extra) = taken(message, state);
            match state {
                Failed | Cancelled | JobState::Unknown => {
                    let expected = Failure {
                        code: Some("InternalError".to_owned()),
                        message: Some("broken".to_owned()),
                    };
                    assert_eq!(
                        (failure, extra.to_string()),
                        (Some(expected), "{}".to_owned())
                    );
                }
                Succeeded | Running | Submitted | Skipped | Completed => {
                    assert_eq!((failure, extra.to_string()), (None, message.to_owned()));
                }
            }
        }
    }

    #[test]
    fn what_successes_carry_is_no_error() {
        for word in [
            "Success",
            "success",
            "",
            " ",
            "null",
            "The job is completed successfully.",
        ] {
            let message = format!(r#"{{"Code":"{word}","msg":"{word}"}}"#);
            for state in [JobState::Succeeded, JobState::Failed] {
                let (failure, extra) = taken(&message, state);
                assert_eq!(
                    (failure, extra.to_string()),
                    (None, "{}".to_owned()),
                    "{word}"
                );
            }
            let (failure, extra) = taken(&message, JobState::Unknown);
            assert_eq!((failure, extra.to_string()), (None, message));
        }
    }
}
