//! What `/completeness` says: a line for each check, with what it means and what to do.

use crate::store::lifetimes::Ending;
use crate::web::completeness::{CheckName, Verdict};
use crate::web::texts::words::grouped;

/// The texts of `/completeness`.
#[derive(Debug)]
pub struct CompletenessTexts {
    pub title: &'static str,
    pub lead: &'static str,
    pub nothing_yet: &'static str,
    pub nothing_yet_lead: &'static str,
    pub connect: &'static str,
    pub nothing_missing: &'static str,
    pub need_a_look: fn(u64) -> String,
    pub checks: &'static str,
    pub check_head: &'static str,
    pub verdict_head: &'static str,
    pub count_head: &'static str,
    pub means_head: &'static str,
    pub verdict: fn(Verdict) -> &'static str,
    pub check: CheckTexts,
    pub week_hint: &'static str,
    pub sources: &'static str,
    pub source_head: &'static str,
    pub last_push: &'static str,
    pub silent_for: &'static str,
    pub usual_head: &'static str,
    /// So many in so many hours.
    pub usual: fn(u64, u64) -> String,
    pub usual_unknown: &'static str,
    pub never_came: &'static str,
    pub unusual: &'static str,
    pub downtimes: &'static str,
    pub downtimes_none: &'static str,
    /// The time of the start.
    pub running_since: fn(&str) -> String,
    pub from: &'static str,
    pub to: &'static str,
    pub length: &'static str,
    pub at_most: fn(&str) -> String,
    pub ending_head: &'static str,
    pub ending: fn(Ending) -> &'static str,
    pub gap_short: &'static str,
    pub gap_backoff: &'static str,
    /// The policy, as the configuration says it; here and below.
    pub gap_decay: fn(&str) -> String,
    pub gap_given_up: fn(&str) -> String,
    /// How late pushes came after it.
    pub gap_repeated: fn(&str) -> String,
    pub gap_long: &'static str,
    pub hours: &'static str,
    pub days: &'static str,
    pub hour_head: &'static str,
    pub day_head: &'static str,
    pub stored: &'static str,
    pub duplicates: &'static str,
    pub unrecognized: &'static str,
    pub differs: &'static str,
    pub held: &'static str,
    pub refused: &'static str,
    pub strays: &'static str,
    pub failed: &'static str,
    pub lag: &'static str,
    /// The median, the 95th percentile, the longest.
    pub lag_is: fn(&str, &str, &str) -> String,
    pub table_hint: &'static str,
    pub start_missing: &'static str,
    pub conflicts: &'static str,
    pub newest_of: fn(u64) -> String,
}

/// One check: what it is called, what it says if it is fine and if not, and what to do then.
#[derive(Clone, Copy, Debug)]
pub struct CheckText {
    pub name: &'static str,
    pub fine: &'static str,
    pub trouble: &'static str,
    pub to_do: &'static str,
}

/// The texts of all checks.
#[derive(Debug)]
pub struct CheckTexts {
    pub downtime: CheckText,
    pub silence: CheckText,
    pub failed: CheckText,
    pub held: CheckText,
    pub refused: CheckText,
    pub strays: CheckText,
    pub stale: CheckText,
    pub start_missing: CheckText,
    pub unrecognized: CheckText,
    pub differs: CheckText,
    pub conflicts: CheckText,
    pub late: CheckText,
    pub duplicates: CheckText,
}

impl CheckTexts {
    /// Returns those of one.
    pub fn of(&self, name: CheckName) -> CheckText {
        match name {
            CheckName::Downtime => self.downtime,
            CheckName::Silence => self.silence,
            CheckName::Failed => self.failed,
            CheckName::Held => self.held,
            CheckName::Refused => self.refused,
            CheckName::Strays => self.strays,
            CheckName::Stale => self.stale,
            CheckName::StartMissing => self.start_missing,
            CheckName::Unrecognized => self.unrecognized,
            CheckName::Differs => self.differs,
            CheckName::Conflicts => self.conflicts,
            CheckName::Late => self.late,
            CheckName::Duplicates => self.duplicates,
        }
    }
}

impl CompletenessTexts {
    pub const ENGLISH: CompletenessTexts = CompletenessTexts {
        title: "Completeness",
        lead: "Whether anything was missed, as far as it can be known here: a push that never reached \
               this server leaves no trace, so these are the places where one could have got lost.",
        nothing_yet: "Nothing has arrived yet",
        nothing_yet_lead: "Once pushes come, this page says whether any may be missing.",
        connect: "How to connect",
        nothing_missing: "Nothing is known to be missing",
        need_a_look: |count| match count {
            1 => "1 thing needs a look".to_owned(),
            _ => format!("{} things need a look", grouped(count)),
        },
        checks: "Checks",
        check_head: "Check",
        verdict_head: "Verdict",
        count_head: "Number",
        means_head: "What it means",
        verdict: |verdict| match verdict {
            Verdict::Fine => "fine",
            Verdict::Warning => "warning",
            Verdict::Wrong => "wrong",
        },
        check: ENGLISH,
        week_hint: "What happened counts for a week; what waits for a decision, until it is made.",
        sources: "Sources",
        source_head: "Source",
        last_push: "Last push",
        silent_for: "Nothing for",
        usual_head: "Usually at that time",
        usual: |taken, hours| {
            if taken >= hours {
                format!("about {} an hour", grouped(taken / hours.max(1)))
            } else {
                match (taken, hours) {
                    (0, _) => "nothing".to_owned(),
                    (_, 1) => format!("about {} in an hour", grouped(taken)),
                    _ => format!("about {} in {} hours", grouped(taken), grouped(hours)),
                }
            }
        },
        usual_unknown: "not known before three days",
        never_came: "nothing came yet",
        unusual: "unusual",
        downtimes: "When this server was down",
        downtimes_none: "Not once in the last 7 days.",
        running_since: |at| format!("It has been running since {at}."),
        from: "From",
        to: "To",
        length: "How long",
        at_most: |length| format!("at most {length}"),
        ending_head: "How it ended",
        ending: |ending| match ending {
            Ending::Stopped => "stopped",
            Ending::Crashed => "crashed",
        },
        gap_short: "SMQ repeats every push for longer than that: nothing was lost by it.",
        gap_backoff: "If the subscription has Backoff Retry, the default, SMQ gave up within a minute, \
                      and pushes of that time may be lost. With Exponential Decay Retry it repeats \
                      them for a day.",
        gap_decay: |policy| {
            format!(
                "By the configuration SMQ repeats for a day ({policy}): nothing was lost by it."
            )
        },
        gap_given_up: |policy| {
            format!(
                "By the configuration SMQ gave up within a minute ({policy}): pushes of that time \
                 may be lost."
            )
        },
        gap_repeated: |late| {
            format!(
                "Soon after it, pushes came up to {late} late, so SMQ seems to repeat for a day \
                 (Exponential Decay Retry): then nothing was lost by it."
            )
        },
        gap_long: "SMQ repeats for a day at most, whatever is set: pushes of that time may be lost.",
        hours: "The last 24 hours",
        days: "The last 30 days",
        hour_head: "Hour",
        day_head: "Day",
        stored: "Stored",
        duplicates: "Repeated",
        unrecognized: "Not understood",
        differs: "Differ",
        held: "Held",
        refused: "Refused",
        strays: "Strays",
        failed: "Answered 503",
        lag: "Lag",
        lag_is: |median, p95, max| format!("{median} · {p95} · {max}"),
        table_hint: "Counted by when a push came. Lag is from publishing to arrival: the median, what \
                     95 % stay within, and the longest. A number of repeated pushes leads to those \
                     whose first came then.",
        start_missing: "Reports without a Start",
        conflicts: "Jobs and runs that ended in two ways",
        newest_of: |count| format!("The newest of {}.", grouped(count)),
    };

    pub const CHINESE: CompletenessTexts = CompletenessTexts {
        title: "完整性",
        lead: "在此服务器所能知道的范围内，检查是否有遗漏：从未到达本服务器的推送不会留下痕迹，\
               因此下面列出的是可能丢失推送的各个环节。",
        nothing_yet: "尚未收到任何推送",
        nothing_yet_lead: "收到推送后，本页会说明是否可能有遗漏。",
        connect: "如何接入",
        nothing_missing: "未发现遗漏",
        need_a_look: |count| format!("有 {} 项需要查看", grouped(count)),
        checks: "检查项",
        check_head: "检查项",
        verdict_head: "结论",
        count_head: "数量",
        means_head: "含义",
        verdict: |verdict| match verdict {
            Verdict::Fine => "正常",
            Verdict::Warning => "注意",
            Verdict::Wrong => "异常",
        },
        check: CHINESE,
        week_hint: "已发生的情况统计最近一周；等待处理的，统计到处理完为止。",
        sources: "来源",
        source_head: "来源",
        last_push: "最近一次推送",
        silent_for: "无推送时长",
        usual_head: "该时段通常",
        usual: |taken, hours| {
            if taken >= hours {
                format!("每小时约 {} 条", grouped(taken / hours.max(1)))
            } else if taken == 0 {
                "没有推送".to_owned()
            } else {
                format!("{} 小时约 {} 条", grouped(hours), grouped(taken))
            }
        },
        usual_unknown: "满三天后才能判断",
        never_came: "尚未收到推送",
        unusual: "异常",
        downtimes: "本服务器停机的时间",
        downtimes_none: "最近 7 天没有停机。",
        running_since: |at| format!("自 {at} 起一直运行。"),
        from: "从",
        to: "到",
        length: "时长",
        at_most: |length| format!("最多 {length}"),
        ending_head: "停机方式",
        ending: |ending| match ending {
            Ending::Stopped => "正常停止",
            Ending::Crashed => "异常退出",
        },
        gap_short: "SMQ 对每条推送的重试都长于这段时间：没有因此丢失。",
        gap_backoff: "如果订阅使用默认的退避重试，SMQ 会在一分钟内放弃，这段时间的推送可能已丢失。\
                      如果使用指数衰减重试，SMQ 会在一天内持续重试。",
        gap_decay: |policy| format!("按配置，SMQ 会重试一天（{policy}）：没有因此丢失。"),
        gap_given_up: |policy| {
            format!("按配置，SMQ 在一分钟内放弃（{policy}）：这段时间的推送可能已丢失。")
        },
        gap_repeated: |late| {
            format!(
                "停机后不久，有推送迟到最多 {late}，看来 SMQ 会持续重试一天（指数衰减重试）：\
                 没有因此丢失。"
            )
        },
        gap_long: "无论如何设置，SMQ 最多重试一天：这段时间的推送可能已丢失。",
        hours: "最近 24 小时",
        days: "最近 30 天",
        hour_head: "小时",
        day_head: "日期",
        stored: "已存储",
        duplicates: "重复",
        unrecognized: "无法识别",
        differs: "内容不同",
        held: "待审",
        refused: "已拒绝",
        strays: "误投",
        failed: "应答 503",
        lag: "延迟",
        lag_is: |median, p95, max| format!("{median} · {p95} · {max}"),
        table_hint: "按推送到达的时间统计。延迟指从发布到到达：依次为中位数、95 % 以内和最长。\
                     重复推送的数量链接到首次到达在该时段的投递。",
        start_missing: "没有 Start 的 Report",
        conflicts: "有两种结局的作业和执行实例",
        newest_of: |count| format!("共 {}，以下为最新的几条。", grouped(count)),
    };
}

const ENGLISH: CheckTexts = CheckTexts {
    downtime: CheckText {
        name: "Downtime",
        fine: "This server was never down for longer than SMQ repeats a push.",
        trouble: "This server was down for so long that pushes may be lost.",
        to_do: "Set the subscription to Exponential Decay Retry, and compare the jobs of that time with \
             the MPS console.",
    },
    silence: CheckText {
        name: "Silence",
        fine: "No source has been silent for longer than usual.",
        trouble: "A source has been silent for longer than usual at that time.",
        to_do: "If MPS was at work then: look at the topic’s log in the SMQ console for each push’s \
             NotifyStatus.",
    },
    failed: CheckText {
        name: "Pushes that we could not take",
        fine: "No push was answered 503.",
        trouble: "Pushes were answered 503, because the disk, the inbox or a certificate was not to be had. \
             SMQ repeats them, by default for less than a minute.",
        to_do: "Look into the log for the cause, and at what was stored in the hours after.",
    },
    held: CheckText {
        name: "Held pushes",
        fine: "None waits for a decision.",
        trouble: "They are signed by SMQ, but their owner, topic, date or body does not pass: they are kept, \
             and are in no list of jobs.",
        to_do: "Admit or drop them.",
    },
    refused: CheckText {
        name: "Refused pushes",
        fine: "None was refused.",
        trouble: "Their signature does not hold, so what they said is not kept.",
        to_do: "Look at what their explanations say: a proxy that changes the path or a header is the \
             usual cause.",
    },
    strays: CheckText {
        name: "Strays",
        fine: "No push came to an address that is not ours.",
        trouble: "A subscription pushes to a path that no source has: what it says is not kept.",
        to_do: "Compare the subscription’s endpoint with the one on Connect.",
    },
    stale: CheckText {
        name: "Runs without a Report",
        fine: "None is older than its workflow may take.",
        trouble: "They began, and nothing said that they ended.",
        to_do: "Look the runs up in the MPS console: their Report was lost, or they are stuck.",
    },
    start_missing: CheckText {
        name: "Reports without a Start",
        fine: "Every run that has ended had said that it began.",
        trouble: "They ended, and the message of their Start never came. The Report names all that was done, \
             so that nothing of the outcome is missing.",
        to_do: "If it is every run of a workflow, its Start sends nothing; if it is a few, see what the \
             server did when they began.",
    },
    unrecognized: CheckText {
        name: "Messages not understood",
        fine: "Every message was understood.",
        trouble: "They are kept as they came, and are in no list of jobs.",
        to_do: "A test message of the console is one; for others run mpsink rebuild after an update.",
    },
    differs: CheckText {
        name: "Messages that differ",
        fine: "No message came again with another content.",
        trouble: "The same message id came again with another message: the first was kept, the other was not.",
        to_do: "Look at the delivery; SMQ should never do that.",
    },
    conflicts: CheckText {
        name: "Two endings",
        fine: "No job or run was said to have ended in two ways.",
        trouble: "Their messages contradict each other; the last one counts.",
        to_do: "Look at their events.",
    },
    late: CheckText {
        name: "Late pushes",
        fine: "In the last 24 hours none came later than 5 minutes after it was published.",
        trouble: "In the last 24 hours some came later than 5 minutes after they were published.",
        to_do: "SMQ repeats what was not taken at once, and slows down a subscription that fails: see when \
             it was.",
    },
    duplicates: CheckText {
        name: "Repeated pushes",
        fine: "SMQ may push a message more than once; each is kept once.",
        trouble: "More than a tenth of the pushes were repeated: SMQ may not see our answers in time.",
        to_do: "Look at the way between SMQ and this server: an answer has to be there within 5 s.",
    },
};

const CHINESE: CheckTexts = CheckTexts {
    downtime: CheckText {
        name: "停机",
        fine: "本服务器的停机从未长于 SMQ 的重试时间。",
        trouble: "本服务器停机时间较长，推送可能已丢失。",
        to_do: "请把订阅设为指数衰减重试，并在 MPS 控制台核对这段时间的作业。",
    },
    silence: CheckText {
        name: "无推送",
        fine: "没有来源超出平常地久未推送。",
        trouble: "有来源久未推送，超出该时段的平常情况。",
        to_do: "如果当时 MPS 有作业：请在 SMQ 控制台查看主题日志中每次推送的 NotifyStatus。",
    },
    failed: CheckText {
        name: "我方未能接收的推送",
        fine: "没有推送被应答 503。",
        trouble: "因磁盘、收件队列或证书不可用，有推送被应答 503。SMQ 会重试，默认不到一分钟。",
        to_do: "请在日志中查找原因，并查看其后几小时的存储情况。",
    },
    held: CheckText {
        name: "待审的推送",
        fine: "没有等待处理的推送。",
        trouble: "它们由 SMQ 签名，但主题所有者、主题、日期或正文未通过检查：已保留，但不在作业列表中。",
        to_do: "请放行或丢弃。",
    },
    refused: CheckText {
        name: "已拒绝的推送",
        fine: "没有推送被拒绝。",
        trouble: "签名不成立，因此内容未保留。",
        to_do: "请查看其说明：常见原因是代理改动了路径或请求头。",
    },
    strays: CheckText {
        name: "误投的推送",
        fine: "没有推送发到其他地址。",
        trouble: "有订阅推送到不属于任何来源的路径：内容未保留。",
        to_do: "请核对订阅的接收端地址与“接入”页上的是否一致。",
    },
    stale: CheckText {
        name: "没有 Report 的执行实例",
        fine: "没有超出工作流应有时长的执行实例。",
        trouble: "已经开始，但没有消息说明其结束。",
        to_do: "请在 MPS 控制台查询：Report 已丢失，或执行卡住。",
    },
    start_missing: CheckText {
        name: "没有 Start 的 Report",
        fine: "每个已结束的执行实例都收到过开始消息。",
        trouble: "已经结束，但未收到 Start 消息。Report 会列出全部活动，因此结果没有缺失。",
        to_do: "如果某个工作流全部如此，说明其 Start 不发送消息；如果只有少数，请查看它们开始时服务器的情况。",
    },
    unrecognized: CheckText {
        name: "无法识别的消息",
        fine: "所有消息都能识别。",
        trouble: "按原样保留，但不在作业列表中。",
        to_do: "控制台的测试消息就是其中一种；其他的请在升级后运行 mpsink rebuild。",
    },
    differs: CheckText {
        name: "内容不同的消息",
        fine: "没有消息以不同的内容再次到达。",
        trouble: "同一消息 ID 再次到达，但内容不同：保留了第一次的，另一次未保留。",
        to_do: "请查看该投递；SMQ 本不应如此。",
    },
    conflicts: CheckText {
        name: "两种结局",
        fine: "没有作业或执行实例有两种结局。",
        trouble: "消息互相矛盾；以最后一条为准。",
        to_do: "请查看其事件。",
    },
    late: CheckText {
        name: "迟到的推送",
        fine: "最近 24 小时内，没有推送在发布 5 分钟之后才到达。",
        trouble: "最近 24 小时内，有推送在发布 5 分钟之后才到达。",
        to_do: "未立即接收的推送会被 SMQ 重试，失败的订阅会被减速：请查看发生的时间。",
    },
    duplicates: CheckText {
        name: "重复的推送",
        fine: "SMQ 可能多次推送同一消息；每条只保留一份。",
        trouble: "超过十分之一的推送是重复的：SMQ 可能没有及时收到我们的应答。",
        to_do: "请检查 SMQ 与本服务器之间的线路：应答须在 5 秒内到达。",
    },
};
