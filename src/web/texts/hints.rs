//! What is behind a failure's code and what to do about it, in sentences.
//!
//! Which code has which hint is `mps/failure.rs`'s. The matches are exhaustive, so that a new hint
//! does not compile before both languages say it. Names of products, roles and tools stay as they
//! are written where people look them up.

use crate::mps::failure::Hint;
use crate::web::texts::Language;

/// Returns the sentences of `hint`.
pub fn sentences(hint: Hint, language: Language) -> &'static str {
    match language {
        Language::English => english(hint),
        Language::Chinese => chinese(hint),
    }
}

/// Returns what a group of [`group`] is called; one that is a part of its code stays as it is.
///
/// [`group`]: crate::mps::failure::group
pub fn group(group: &str, language: Language) -> &str {
    if language == Language::English {
        return group;
    }
    match group {
        "input" => "输入文件",
        "permission" => "权限",
        "quota" => "配额与限流",
        "template" => "模板",
        "account" => "账号",
        "timeout" => "超时",
        "wrong queue" => "管道不符",
        "encryption" => "加密",
        "internal" => "内部错误",
        "parameter" => "参数",
        other => other,
    }
}

fn english(hint: Hint) -> &'static str {
    match hint {
        Hint::ContentBad => {
            "The most frequent failure: the source file is broken, has no video stream or bad \
             metadata; try ffprobe on it. It also comes when the MPS role may not read the bucket, \
             or when hotlink protection forbids an empty referer."
        }
        Hint::ObjectMissing => {
            "The object is missing or was deleted, its path is wrong or was not URL-encoded when \
             the job was submitted, it is in another region, or it is in archive storage and not \
             restored."
        }
        Hint::FileUnfit => {
            "The file itself is at fault: it is gone, or of a kind that the job cannot work with."
        }
        Hint::AccessDenied => {
            "MPS may not reach the file: check the role AliyunMTSDefaultRole and that the bucket \
             is bound to MPS."
        }
        Hint::TemplateUnfit => {
            "The transcoding template does not exist or does not fit; smart presets need an \
             analysis job of the same file first."
        }
        Hint::SnapshotTimesBeyondEnd => "The snapshot times lie beyond the end of the video.",
        Hint::ServiceDisabled => {
            "The service is switched off for the account, or a payment is overdue."
        }
        Hint::SnapshotTooSlow => {
            "Only synchronous snapshots time out: submit it as an asynchronous one."
        }
        Hint::WrongQueue => "Boost and special queues take only their own jobs: use another queue.",
        Hint::Internal => {
            "MPS itself failed: submit the job again, and if it stays so, open a ticket with the \
             job id."
        }
    }
}

fn chinese(hint: Hint) -> &'static str {
    match hint {
        Hint::ContentBad => {
            "最常见的失败：源文件损坏、没有视频流或元信息有误，可先用 ffprobe 检查。MPS \
             角色无权读取该 Bucket，或防盗链不允许空 Referer 时，也会报此错误。"
        }
        Hint::ObjectMissing => {
            "文件不存在或已被删除；路径有误，或提交作业时未做 URL \
             编码；文件在其他地域；或文件为归档存储，尚未解冻。"
        }
        Hint::FileUnfit => "问题出在文件本身：文件已不存在，或其类型不适用于该作业。",
        Hint::AccessDenied => {
            "MPS 无法访问该文件：请检查角色 AliyunMTSDefaultRole 的权限，以及该 Bucket 是否已绑定到 \
             MPS。"
        }
        Hint::TemplateUnfit => {
            "转码模板不存在或不适用于该文件；使用智能预置模板前，需要先对同一文件提交分析作业。"
        }
        Hint::SnapshotTimesBeyondEnd => "截图时间点超出了视频时长。",
        Hint::ServiceDisabled => "账号未开通该服务，或已欠费停服。",
        Hint::SnapshotTooSlow => "只有同步截图会超时：请改为异步截图。",
        Hint::WrongQueue => "倍速转码等专用管道只接受对应类型的作业：请改用其他管道。",
        Hint::Internal => "MPS 内部错误：请重新提交作业；若仍失败，请附上作业 ID 提交工单。",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mps::failure;

    #[test]
    fn every_hint_is_sentences_of_its_own_in_each_language() {
        for (language, stop) in [(Language::English, '.'), (Language::Chinese, '。')] {
            let mut all = Hint::ALL.map(|hint| sentences(hint, language)).to_vec();
            for hint in &all {
                assert!(hint.ends_with(stop) && !hint.contains("  "), "{hint}");
            }
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), Hint::ALL.len());
        }
    }

    #[test]
    fn every_group_of_a_known_code_has_a_chinese_name() {
        let codes = [
            "InvalidParameter.ResourceContentBad",
            "PermissionDenied.ResourceAccess",
            "Throttling",
            "InvalidParameter.TemplateNotFound",
            "InvalidIdentity.ServiceDisabled",
            "SnapshotTimeOut",
            "NotSupportedJob.Boost",
            "DataEncryption.KeyWrong",
            "InternalError",
            "MissingParameter",
        ];
        for code in codes {
            let word = failure::group(code);
            assert_ne!(group(word, Language::Chinese), word, "{code}");
            assert_eq!(group(word, Language::English), word, "{code}");
        }
        assert_eq!(group("Odd", Language::Chinese), "Odd");
    }

    #[test]
    fn chinese_hints_are_chinese() {
        for hint in Hint::ALL {
            let text = sentences(hint, Language::Chinese);
            let chinese = text.chars().filter(|c| !c.is_ascii()).count();
            assert!(chinese * 3 > text.chars().count(), "{text}");
        }
    }
}
