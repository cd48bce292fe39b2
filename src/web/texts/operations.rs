//! What is said of findings, on `/operations` and by `mpsink doctor`, which speaks English.
//!
//! What was seen and what is to be done are sentences of their own. The second is said only where there
//! is something to do.

use crate::clock::Timestamp;
use crate::doctor::{Finding, Line, Seen, Verdict};
use crate::web::texts::operations_chinese as chinese;
use crate::web::texts::operations_english as english;

/// Says when something was, in whoever's zone.
pub type Moment<'a> = &'a dyn Fn(Timestamp) -> String;

#[derive(Debug)]
pub struct OperationsTexts {
    pub title: &'static str,
    pub lead: &'static str,
    pub all_fine: &'static str,
    pub need_a_look: fn(usize) -> String,
    pub findings: &'static str,
    pub verdict_head: &'static str,
    pub line_head: &'static str,
    pub seen_head: &'static str,
    pub verdict: fn(Verdict) -> &'static str,
    pub line: fn(Line) -> &'static str,
    /// What was seen.
    pub seen: fn(&Seen, Moment<'_>) -> String,
    /// What to do, if there is anything to do.
    pub to_do: fn(&Finding) -> Option<&'static str>,
    pub doctor_hint: &'static str,
}

impl OperationsTexts {
    pub const ENGLISH: OperationsTexts = OperationsTexts {
        title: "Operations",
        lead: "What keeps this server going, and what to do where something is not as it should be. \
               mpsink doctor says the same on the command line.",
        all_fine: "All that can be seen is fine",
        need_a_look: |count| match count {
            1 => "1 thing needs a look".to_owned(),
            _ => format!("{count} things need a look"),
        },
        findings: "Findings",
        verdict_head: "Verdict",
        line_head: "Thing",
        seen_head: "Seen",
        verdict: |verdict| match verdict {
            Verdict::Fine => "fine",
            Verdict::Unknown => "not known",
            Verdict::Warning => "look",
            Verdict::Wrong => "wrong",
        },
        line: english::line,
        seen: english::seen,
        to_do: english::to_do,
        doctor_hint: "Whether the file itself is whole takes long to find out: mpsink doctor looks at \
                      it for some seconds, mpsink doctor --deep for as long as it takes.",
    };

    pub const CHINESE: OperationsTexts = OperationsTexts {
        title: "运维",
        lead: "本服务持续运行所依赖的条件，以及异常时应采取的措施。命令 mpsink doctor 给出相同内容。",
        all_fine: "可检查的项目均正常",
        need_a_look: |count| format!("{count} 项需要查看"),
        findings: "检查结果",
        verdict_head: "结论",
        line_head: "项目",
        seen_head: "实际情况",
        verdict: |verdict| match verdict {
            Verdict::Fine => "正常",
            Verdict::Unknown => "未知",
            Verdict::Warning => "需查看",
            Verdict::Wrong => "异常",
        },
        line: chinese::line,
        seen: chinese::seen,
        to_do: chinese::to_do,
        doctor_hint: "检查数据库文件是否完整耗时较长：mpsink doctor 检查数秒，mpsink doctor --deep \
                      检查到完成为止。",
    };
}

/// Returns bytes as people say them, in units of a thousand.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..10_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        10_000_000..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use crate::web::pages::samples_of_operations::{all_seen, findings};

    use super::*;

    const BOTH: [OperationsTexts; 2] = [OperationsTexts::ENGLISH, OperationsTexts::CHINESE];

    #[test]
    fn every_line_is_seen_in_the_samples_and_named_in_both_languages() {
        let seen = all_seen();
        for line in Line::ALL {
            assert!(seen.iter().any(|seen| seen.line() == line), "{line:?}");
            for texts in BOTH {
                assert!(!(texts.line)(line).is_empty());
            }
        }
    }

    #[test]
    fn what_was_seen_is_a_sentence_of_its_own_in_either_language() {
        for (texts, end) in BOTH.into_iter().zip(['.', '。']) {
            let mut said: Vec<String> = all_seen()
                .iter()
                .map(|seen| (texts.seen)(seen, &|at| at.to_string()))
                .collect();
            for sentence in &said {
                assert!(sentence.ends_with(end), "{sentence}");
            }
            let count = said.len();
            said.sort();
            said.dedup();
            assert_eq!(said.len(), count, "two things are said alike");
        }
    }

    #[test]
    fn what_is_not_fine_says_what_to_do_and_what_is_fine_does_not() {
        for finding in findings() {
            // A server that takes pushes is never anything but fine.
            if matches!(finding.seen, Seen::ServerRuns { .. }) {
                continue;
            }
            for texts in BOTH {
                let is_said = (texts.to_do)(&finding).is_some();
                assert_eq!(is_said, finding.verdict != Verdict::Fine, "{finding:?}");
            }
        }
    }

    #[test]
    fn sizes_are_in_thousands() {
        assert_eq!(size(1), "1 KB");
        assert_eq!(size(10_000_000), "10 MB");
        assert_eq!(size(12_900_000_000), "12 GB");
    }
}
