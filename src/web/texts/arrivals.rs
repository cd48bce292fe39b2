//! What was not let in, and what a person decided about it: held and refused pushes.
//!
//! The sentences about a reason that the receiver answers are English and stand with the reasons;
//! pages say them in their language. What was seen by a check, and its hint, were stored when the
//! push came, in English, and are shown so in both.

use crate::ingest::decide::Allowable;
use crate::notification::reason::{HoldReason, RefusalReason};
use crate::signature::explain::{CheckName, Verdict};
use crate::web::pages::notice::Notice;
use crate::web::texts::words::grouped;

/// The pages of held and refused pushes.
#[derive(Debug)]
pub struct ArrivalTexts {
    pub hold_sentence: fn(HoldReason) -> &'static str,
    pub refusal_sentence: fn(RefusalReason) -> &'static str,
    /// The reason in a word or two, for a filter.
    pub hold_short: fn(HoldReason) -> &'static str,
    pub notice: fn(Notice) -> String,
    /// What to think about before admitting a push that is held for this.
    pub advice: fn(HoldReason) -> &'static str,
    pub check: fn(CheckName) -> &'static str,
    pub verdict: fn(Verdict) -> &'static str,
    /// What a field of the envelope is called, by its name in the JSON.
    pub field: fn(&str) -> Option<&'static str>,
    pub held_title: fn(i64) -> String,
    pub signature_holds: &'static str,
    pub decide: &'static str,
    pub admit: &'static str,
    pub admit_effect: &'static str,
    pub allow_owner: &'static str,
    pub allow_topic: &'static str,
    /// What of pushes like this one comes in by it.
    pub allow_effect: fn(Allowable, u64) -> String,
    pub account: &'static str,
    pub drop: &'static str,
    pub drop_for_good: &'static str,
    pub drop_effect: &'static str,
    pub refusal_title: fn(i64) -> String,
    pub nothing_believed: &'static str,
    pub facts: &'static str,
    pub request: &'static str,
    pub body_of: fn(&str) -> String,
    pub body_read: fn(&str) -> String,
    pub none: &'static str,
    pub same_push: fn(u64) -> String,
    pub as_file: &'static str,
    pub kept_as_file: &'static str,
    pub file_hint: &'static str,
    pub checked: &'static str,
    pub checks_caption: &'static str,
    pub check_head: &'static str,
    pub verdict_head: &'static str,
    pub saw_head: &'static str,
    pub no_explanation: &'static str,
    pub would_hold_with: &'static str,
    pub string_to_sign: &'static str,
    pub string_to_sign_lead: &'static str,
    pub empty_line: &'static str,
    pub envelope: &'static str,
    pub its_message: &'static str,
    pub why: &'static str,
    pub counts: &'static str,
    pub counts_caption: &'static str,
    pub pushes: &'static str,
    pub kept: &'static str,
    pub strays: &'static str,
    pub no_strays: &'static str,
    pub strays_lead: fn(u64) -> String,
    pub to_register: &'static str,
    pub strays_caption: &'static str,
    pub pushed_to: &'static str,
}

impl ArrivalTexts {
    /// Returns what is said of the reason that has this word.
    pub fn hold_word(&self, word: &str) -> Option<&'static str> {
        HoldReason::from_word(word).map(self.hold_short)
    }

    /// Returns what is said of the reason that has this word.
    pub fn refusal_word(&self, word: &str) -> Option<&'static str> {
        RefusalReason::from_word(word).map(self.refusal_sentence)
    }

    pub const ENGLISH: ArrivalTexts = ArrivalTexts {
        hold_sentence: HoldReason::sentence,
        refusal_sentence: RefusalReason::sentence,
        hold_short: |reason| match reason {
            HoldReason::Date => "date",
            HoldReason::BodyChecksum => "body checksum",
            HoldReason::Owner => "owner not allowed",
            HoldReason::OwnerMissing => "no owner",
            HoldReason::Topic => "topic not allowed",
        },
        notice: english_notice,
        advice: english_advice,
        check: CheckName::words,
        verdict: Verdict::words,
        field: english_field,
        held_title: |number| format!("Held push {number}"),
        signature_holds: "Its signature holds.",
        decide: "What to do with it",
        admit: "Admit this push",
        admit_effect: "Lets in this one push, as if it had passed. Nothing else changes.",
        allow_owner: "Allow this owner",
        allow_topic: "Allow this topic",
        allow_effect: |what, held| {
            let what = match what {
                Allowable::Owner => "every push from topics of this account",
                Allowable::Topic => "every push from this topic of an allowed owner",
            };
            let held = match held {
                1 => "1 held push comes".to_owned(),
                _ => format!("{} held pushes come", grouped(held)),
            };
            format!("Lets in {what} from now on; {held} in by it at once.")
        },
        account: "Account",
        drop: "Drop it…",
        drop_for_good: "Drop this push for good",
        drop_effect: "Forgets it. SMQ may have stopped sending it, so it may not come again.",
        refusal_title: |number| format!("Refused push {number}"),
        nothing_believed: "Nothing in it is believed; it is kept only to show why.",
        facts: "Facts",
        request: "Request",
        body_of: |size| format!("body of {size}"),
        body_read: |size| format!("body of {size} as far as it was read; at most 4 KiB are kept"),
        none: "none",
        same_push: |count| format!("{}, of the very same push", grouped(count)),
        as_file: "The push as a file",
        kept_as_file: "What was kept, as a file",
        file_hint: "for `mpsink verify`; holds the secret part of the path",
        checked: "What was checked",
        checks_caption: "Checks in the order they are made",
        check_head: "Check",
        verdict_head: "Result",
        saw_head: "Seen",
        no_explanation: "No explanation was kept with this push.",
        would_hold_with: "The signature would hold with",
        string_to_sign: "The string to sign",
        string_to_sign_lead: "Line by line; the signature is over exactly this, without a line \
                              break at its end.",
        empty_line: "(empty)",
        envelope: "What its envelope says",
        its_message: "Its message",
        why: "Why",
        counts: "How many, and why",
        counts_caption: "Refused pushes by source and reason",
        pushes: "Pushes",
        kept: "Kept ones",
        strays: "Strays",
        no_strays: "No push came to an address that is not ours.",
        strays_lead: |count| {
            let pushes = match count {
                1 => "1 push".to_owned(),
                _ => format!("{} pushes", grouped(count)),
            };
            format!(
                "{pushes} of SMQ’s kind came to an address of no source: a subscription has \
                 another endpoint than the one to register."
            )
        },
        to_register: "To register is",
        strays_caption: "The latest strays",
        pushed_to: "Pushed to",
    };

    pub const CHINESE: ArrivalTexts = ArrivalTexts {
        hold_sentence: chinese_hold,
        refusal_sentence: chinese_refusal,
        hold_short: |reason| match reason {
            HoldReason::Date => "日期",
            HoldReason::BodyChecksum => "正文校验",
            HoldReason::Owner => "所有者未允许",
            HoldReason::OwnerMissing => "缺少所有者",
            HoldReason::Topic => "主题未允许",
        },
        notice: chinese_notice,
        advice: chinese_advice,
        check: chinese_check,
        verdict: |verdict| match verdict {
            Verdict::Holds => "通过",
            Verdict::Fails => "未通过",
            Verdict::NotChecked => "未检查",
        },
        field: chinese_field,
        held_title: |number| format!("待审推送 {number}"),
        signature_holds: "签名有效。",
        decide: "如何处理",
        admit: "放行这条推送",
        admit_effect: "只接收这一条推送，视同通过检查。其他不变。",
        allow_owner: "允许此主题所有者",
        allow_topic: "允许此主题",
        allow_effect: |what, held| {
            let what = match what {
                Allowable::Owner => "来自该账号主题的所有推送",
                Allowable::Topic => "来自该主题（所有者已被允许）的所有推送",
            };
            format!("今后接收{what}，并立即放行 {} 条待审推送。", grouped(held))
        },
        account: "账号",
        drop: "丢弃…",
        drop_for_good: "永久丢弃这条推送",
        drop_effect: "不再保留。SMQ 可能已停止重试，因此它可能不会再来。",
        refusal_title: |number| format!("已拒绝的推送 {number}"),
        nothing_believed: "其中内容一概不可信，仅为说明原因而保留。",
        facts: "基本信息",
        request: "请求",
        body_of: |size| format!("正文 {size}"),
        body_read: |size| format!("正文已读部分 {size}；最多保留 4 KiB"),
        none: "无",
        same_push: |count| format!("{} 次，均为同一条推送", grouped(count)),
        as_file: "将推送存为文件",
        kept_as_file: "将保留的内容存为文件",
        file_hint: "供 `mpsink verify` 使用；含有路径中的保密部分",
        checked: "检查了什么",
        checks_caption: "按顺序列出的检查",
        check_head: "检查项",
        verdict_head: "结果",
        saw_head: "所见（英文）",
        no_explanation: "这条推送没有保留检查说明。",
        would_hold_with: "若作如下改动，签名即有效",
        string_to_sign: "待签名字符串",
        string_to_sign_lead: "逐行列出；签名正是针对这些内容，末尾没有换行。",
        empty_line: "（空行）",
        envelope: "通知内容",
        its_message: "消息",
        why: "原因",
        counts: "次数与原因",
        counts_caption: "按来源和原因统计的已拒绝推送",
        pushes: "推送次数",
        kept: "保留的推送",
        strays: "误投的推送",
        no_strays: "没有推送发到其他地址。",
        strays_lead: |count| {
            format!(
                "有 {} 次看似来自 SMQ 的推送发到了不属于任何来源的地址：某个订阅的接收端地址与应登记的不同。",
                grouped(count)
            )
        },
        to_register: "应登记的接收端地址是",
        strays_caption: "最近误投的推送",
        pushed_to: "推送到",
    };
}

fn english_notice(notice: Notice) -> String {
    let came_in = |admitted: u64| match admitted {
        0 => "No held push came in by that.".to_owned(),
        1 => "One held push came in by that.".to_owned(),
        _ => format!("{} held pushes came in by that.", grouped(admitted)),
    };
    match notice {
        Notice::Admitted => "The held push was admitted; this is its delivery.".to_owned(),
        Notice::Duplicate => {
            "The held push was admitted. Its message was here already, so it is counted as a \
             duplicate of this delivery."
                .to_owned()
        }
        Notice::StillHeld => "The push could not be let in and is still held.".to_owned(),
        Notice::Dropped => "The held push was dropped.".to_owned(),
        Notice::OwnerAllowed { admitted } => {
            format!("The owner is allowed from now on. {}", came_in(admitted))
        }
        Notice::TopicAllowed { admitted } => {
            format!("The topic is allowed from now on. {}", came_in(admitted))
        }
        Notice::Saved => "Saved.".to_owned(),
    }
}

fn chinese_notice(notice: Notice) -> String {
    let came_in = |admitted: u64| match admitted {
        0 => "没有待审推送因此放行。".to_owned(),
        _ => format!("{} 条待审推送因此放行。", grouped(admitted)),
    };
    match notice {
        Notice::Admitted => "已放行待审推送，这是对应的投递。".to_owned(),
        Notice::Duplicate => {
            "已放行待审推送。它的消息此前已经收到，因此计为这次投递的重复。".to_owned()
        }
        Notice::StillHeld => "这条推送未能放行，仍在待审。".to_owned(),
        Notice::Dropped => "已丢弃待审推送。".to_owned(),
        Notice::OwnerAllowed { admitted } => {
            format!("今后允许此主题所有者。{}", came_in(admitted))
        }
        Notice::TopicAllowed { admitted } => format!("今后允许此主题。{}", came_in(admitted)),
        Notice::Saved => "已保存。".to_owned(),
    }
}

fn english_advice(reason: HoldReason) -> &'static str {
    match reason {
        HoldReason::Date => {
            "Look at the clocks first: if this machine’s clock is wrong, every push will be held. \
             If it is right, somebody may be repeating an old push; admitting it twice changes \
             nothing, since the same message is kept once."
        }
        HoldReason::BodyChecksum => {
            "The signature covers the headers, and the body only through its checksum. So nobody \
             vouches for this body: admit it only if its message is what you expect."
        }
        HoldReason::Owner => {
            "Any account can have its pushes signed by SMQ and sent here. Let an owner in only if \
             you know the account id."
        }
        HoldReason::OwnerMissing => {
            "Without an owner it cannot be told whose jobs these are. Admit it only if its message \
             is what you expect."
        }
        HoldReason::Topic => {
            "The owner is allowed here, the topic is not: the source is configured for certain \
             topics."
        }
    }
}

fn chinese_advice(reason: HoldReason) -> &'static str {
    match reason {
        HoldReason::Date => {
            "请先核对时钟：如果本机时钟不准，所有推送都会待审。如果时钟准确，可能有人在重放旧的推送；\
             重复放行不会造成影响，因为同一条消息只保留一次。"
        }
        HoldReason::BodyChecksum => {
            "签名只覆盖请求头，正文仅通过校验值得到保证。因此无人为这份正文担保：\
             只有消息内容符合预期时才放行。"
        }
        HoldReason::Owner => {
            "任何账号都可以让 SMQ 签名并把推送发到这里。只有认得该账号 ID 时才允许其主题所有者。"
        }
        HoldReason::OwnerMissing => {
            "没有主题所有者，就无法得知这些作业属于谁。只有消息内容符合预期时才放行。"
        }
        HoldReason::Topic => "主题所有者已被允许，但主题未被允许：该来源只配置了某些主题。",
    }
}

fn chinese_hold(reason: HoldReason) -> &'static str {
    match reason {
        HoldReason::Date => "推送的日期与当前时间相差过大。",
        HoldReason::BodyChecksum => "正文与其 Content-MD5 不符。",
        HoldReason::Owner => "此处不允许该主题所有者。",
        HoldReason::OwnerMissing => "推送没有说明主题所有者。",
        HoldReason::Topic => "此处不允许该主题。",
    }
}

fn chinese_refusal(reason: RefusalReason) -> &'static str {
    match reason {
        RefusalReason::HeaderMissing => "缺少验证签名所需的请求头。",
        RefusalReason::HeaderRepeated => "某个参与签名的请求头出现了多次。",
        RefusalReason::HeadersTooLong => "参与签名的请求头过长。",
        RefusalReason::AuthorizationMalformed => "Authorization 请求头不是签名的 base64。",
        RefusalReason::DateMalformed => "Date 请求头不是日期。",
        RefusalReason::CertificateUrlMalformed => {
            "x-mns-signing-cert-url 请求头不是 URL 的 base64。"
        }
        RefusalReason::CertificateUrlNotAllowed => "不允许该证书 URL。",
        RefusalReason::CertificateNotFetched => "证书未知，而且即使取得证书，推送也不会通过。",
        RefusalReason::CertificateMalformed => "证书 URL 返回的不是带 RSA 密钥的证书。",
        RefusalReason::SignatureWrong => "签名无效。",
    }
}

fn chinese_check(name: CheckName) -> &'static str {
    match name {
        CheckName::Request => "请求",
        CheckName::SignedHeaders => "参与签名的请求头",
        CheckName::Authorization => "签名（Authorization）",
        CheckName::Date => "日期（Date）",
        CheckName::ContentType => "内容类型（Content-Type）",
        CheckName::CertificateUrl => "证书 URL",
        CheckName::Certificate => "证书",
        CheckName::Signature => "签名",
        CheckName::DateWindow => "日期接近当前时间",
        CheckName::ContentMd5 => "正文校验（Content-MD5）",
        CheckName::Format => "格式",
        CheckName::Owner => "主题所有者",
        CheckName::Topic => "主题",
    }
}

fn english_field(name: &str) -> Option<&'static str> {
    match name {
        "topic_owner" => Some("topic owner"),
        "topic" => Some("topic"),
        "subscriber" => Some("subscriber"),
        "subscription" => Some("subscription"),
        "message_id" => Some("message id"),
        "message_md5" => Some("message MD5"),
        "published_at" => Some("published at"),
        "tag" => Some("tag"),
        _ => None,
    }
}

fn chinese_field(name: &str) -> Option<&'static str> {
    match name {
        "topic_owner" => Some("主题所有者"),
        "topic" => Some("主题"),
        "subscriber" => Some("订阅者"),
        "subscription" => Some("订阅"),
        "message_id" => Some("消息 ID"),
        "message_md5" => Some("消息 MD5"),
        "published_at" => Some("发布时间"),
        "tag" => Some("消息标签"),
        _ => None,
    }
}
