//! Why something failed: what a message says of it, and what a person should know about the code.
//!
//! The raw code is always kept; its group and its hint are computed when they are shown or folded,
//! so that a better table helps with yesterday's failures too. The codes and their causes are from
//! MPS's error code pages.
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

/// Returns what usually is behind `code` and what to do about it, in sentences for a person;
/// `None` if the code says it all or is not known.
pub fn hint(code: &str) -> Option<&'static str> {
    let first = code.split('.').next().unwrap_or(code);
    match code {
        "InvalidParameter.ResourceContentBad" => Some(
            "The most frequent failure: the source file is broken, has no video stream or bad \
             metadata; try ffprobe on it. It also comes when the MPS role may not read the bucket, \
             or when hotlink protection forbids an empty referer.",
        ),
        "InvalidParameter.ResourceNotFound" => Some(
            "The object is missing or was deleted, its path is wrong or was not URL-encoded when \
             the job was submitted, it is in another region, or it is in archive storage and not \
             restored.",
        ),
        "InvalidParameter.ResourceNotSupported"
        | "InvalidParameter.ResourceDeleted"
        | "InvalidParameter.NoAudioStream"
        | "InvalidParameter.MergeFileNoVideoOrAudio"
        | "InvalidParameter.WaterMarkFileFormatNotSupported" => Some(
            "The file itself is at fault: it is gone, or of a kind that the job cannot work with.",
        ),
        "PermissionDenied.ResourceAccess" => Some(
            "MPS may not reach the file: check the role AliyunMTSDefaultRole and that the bucket \
             is bound to MPS.",
        ),
        "InvalidParameter.TemplateNotFound" | "InvalidParameter.TemplateNotSupported" => Some(
            "The transcoding template does not exist or does not fit; smart presets need an \
             analysis job of the same file first.",
        ),
        "InvalidParameter.TimeArray" => Some("The snapshot times lie beyond the end of the video."),
        "InvalidIdentity.ServiceDisabled" => {
            Some("The service is switched off for the account, or a payment is overdue.")
        }
        _ => match first {
            "SnapshotTimeOut" => {
                Some("Only synchronous snapshots time out: submit it as an asynchronous one.")
            }
            "NotSupportedJob" => {
                Some("Boost and special queues take only their own jobs: use another queue.")
            }
            "InternalError" => Some(
                "MPS itself failed: submit the job again, and if it stays so, open a ticket with \
                 the job id.",
            ),
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

    /// Code, group, and words of the hint.
    const TABLE: [(&str, &str, Option<&str>); 23] = [
        (
            "InvalidParameter.ResourceContentBad",
            "input",
            Some("ffprobe"),
        ),
        (
            "InvalidParameter.ResourceNotFound",
            "input",
            Some("archive"),
        ),
        (
            "InvalidParameter.ResourceNotSupported",
            "input",
            Some("file itself"),
        ),
        (
            "InvalidParameter.ResourceDeleted",
            "input",
            Some("file itself"),
        ),
        (
            "InvalidParameter.NoAudioStream",
            "input",
            Some("file itself"),
        ),
        (
            "InvalidParameter.MergeFileNoVideoOrAudio",
            "input",
            Some("file itself"),
        ),
        (
            "InvalidParameter.WaterMarkFileFormatNotSupported",
            "input",
            Some("file itself"),
        ),
        (
            "PermissionDenied.ResourceAccess",
            "permission",
            Some("AliyunMTSDefaultRole"),
        ),
        ("PermissionDenied.ResourceQuotaExceed", "quota", None),
        ("Throttling", "quota", None),
        ("Throttling.User", "quota", None),
        (
            "InvalidParameter.TemplateNotFound",
            "template",
            Some("analysis job"),
        ),
        (
            "InvalidParameter.TemplateNotSupported",
            "template",
            Some("analysis job"),
        ),
        (
            "InvalidParameter.TimeArray",
            "parameter",
            Some("beyond the end"),
        ),
        ("SnapshotTimeOut", "timeout", Some("asynchronous")),
        (
            "NotSupportedJob.Boost",
            "wrong queue",
            Some("another queue"),
        ),
        ("DataEncryption.KeyWrong", "encryption", None),
        (
            "InvalidIdentity.ServiceDisabled",
            "account",
            Some("overdue"),
        ),
        ("InternalError", "internal", Some("ticket")),
        ("InvalidParameter.Anything", "parameter", None),
        ("InvalidParameter", "parameter", None),
        ("Parameters.Anything", "parameter", None),
        ("MissingParameter", "parameter", None),
    ];

    #[test]
    fn every_code_of_the_table_has_its_group_and_hint() {
        for (code, expected, words) in TABLE {
            assert_eq!(group(code), expected, "{code}");
            match (hint(code), words) {
                (Some(hint), Some(words)) => assert!(hint.contains(words), "{code}: {hint}"),
                (hint, words) => assert_eq!(hint, words, "{code}"),
            }
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
    fn a_hint_is_made_of_sentences() {
        for code in [
            "InvalidParameter.ResourceContentBad",
            "InternalError",
            "SnapshotTimeOut",
        ] {
            let hint = hint(code).unwrap();
            assert!(hint.ends_with('.') && !hint.contains("  "), "{hint}");
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
