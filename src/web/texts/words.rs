//! What many pages say: states, lengths of time, numbers with their nouns, the heads of tables.
//!
//! English state words are those of filters and JSON, so that a page and its JSON say the same. The
//! Chinese terms are those of the vendor's Chinese pages: 管道 for an MPS queue (which keeps it apart
//! from an SMQ 队列), 执行实例 for a run, 活动 for an activity.

use crate::notification::event::JobState;
use crate::store::records::{RunOutcome, TimeSource};

/// Words and short sentences that do not belong to one page.
#[derive(Debug)]
pub struct WordTexts {
    pub states: StateTexts,
    pub heads: HeadTexts,
    /// A length of time in milliseconds, never negative, to about two digits.
    pub duration: fn(u64) -> String,
    pub jobs: fn(u64) -> String,
    pub runs: fn(u64) -> String,
    pub activities: fn(u64) -> String,
    pub events: fn(u64) -> String,
    pub pushes: fn(u64) -> String,
    /// Rows of a list of which more than the first number were not counted.
    pub at_least: fn(u64) -> String,
    /// Some of all failed.
    pub some_failed: fn(u64, u64) -> String,
    /// Some of all are shown; the rest is in the JSON.
    pub first_of: fn(u64, u64) -> String,
    /// What stands between a name and what is said of it, with the space that belongs to it.
    pub colon: &'static str,
    /// What stands between two things in a row, likewise.
    pub comma: &'static str,
    /// Values are known for some of all.
    pub known_for: fn(u64, u64) -> String,
    pub conflict: &'static str,
    pub conflict_hint: &'static str,
    pub nothing_done: &'static str,
    pub nothing_done_hint: &'static str,
    pub not_understood: &'static str,
    pub differs: &'static str,
    pub md5_mismatch: &'static str,
    pub time_from_message: &'static str,
    pub time_from_envelope: &'static str,
    pub time_from_arrival: &'static str,
    pub empty: &'static str,
    pub queue: &'static str,
    pub workflow: &'static str,
    pub copy: &'static str,
    pub copied: &'static str,
}

/// What became of a job, run or activity.
#[derive(Debug)]
pub struct StateTexts {
    pub submitted: &'static str,
    pub running: &'static str,
    pub succeeded: &'static str,
    pub failed: &'static str,
    pub cancelled: &'static str,
    pub skipped: &'static str,
    pub completed: &'static str,
    pub unknown: &'static str,
    pub partial: &'static str,
    pub stale: &'static str,
}

/// The heads of columns and the names of facts.
#[derive(Debug)]
pub struct HeadTexts {
    pub state: &'static str,
    pub outcome: &'static str,
    pub job: &'static str,
    pub run: &'static str,
    pub activity: &'static str,
    pub event: &'static str,
    pub delivery: &'static str,
    pub push: &'static str,
    pub kind: &'static str,
    pub job_type: &'static str,
    pub queue: &'static str,
    pub queue_or_workflow: &'static str,
    pub workflow: &'static str,
    pub workflow_id: &'static str,
    pub media_id: &'static str,
    pub last_event: &'static str,
    pub took: &'static str,
    pub wait_and_run: &'static str,
    pub failure: &'static str,
    pub code: &'static str,
    pub group: &'static str,
    pub message: &'static str,
    pub message_id: &'static str,
    pub input: &'static str,
    pub input_object: &'static str,
    pub user_data: &'static str,
    pub submitted: &'static str,
    pub started: &'static str,
    pub created: &'static str,
    pub finished: &'static str,
    pub received: &'static str,
    pub published: &'static str,
    pub when: &'static str,
    pub known_from: &'static str,
    pub about: &'static str,
    pub owner: &'static str,
    pub region: &'static str,
    pub topic: &'static str,
    pub subscription: &'static str,
    pub subscriber: &'static str,
    pub tag: &'static str,
    pub source: &'static str,
    pub format: &'static str,
    pub lag: &'static str,
    pub repeats: &'static str,
    pub remarks: &'static str,
    pub size: &'static str,
    pub reason: &'static str,
    pub raw_state: &'static str,
    pub activities: &'static str,
    pub count: &'static str,
    pub first: &'static str,
    pub last: &'static str,
}

impl WordTexts {
    pub fn job_state(&self, state: &JobState) -> &'static str {
        match state {
            JobState::Submitted => self.states.submitted,
            JobState::Running => self.states.running,
            JobState::Succeeded => self.states.succeeded,
            JobState::Failed => self.states.failed,
            JobState::Cancelled => self.states.cancelled,
            JobState::Skipped => self.states.skipped,
            JobState::Completed => self.states.completed,
            JobState::Unknown => self.states.unknown,
        }
    }

    pub fn outcome(&self, outcome: &RunOutcome) -> &'static str {
        match outcome {
            RunOutcome::Running => self.states.running,
            RunOutcome::Succeeded => self.states.succeeded,
            RunOutcome::Partial => self.states.partial,
            RunOutcome::Failed => self.states.failed,
            RunOutcome::Stale => self.states.stale,
        }
    }

    /// Returns where an event's time came from.
    pub fn time_source(&self, from: &TimeSource) -> &'static str {
        match from {
            TimeSource::Message => self.time_from_message,
            TimeSource::Envelope => self.time_from_envelope,
            TimeSource::Arrival => self.time_from_arrival,
        }
    }

    pub const ENGLISH: WordTexts = WordTexts {
        states: StateTexts {
            submitted: "submitted",
            running: "running",
            succeeded: "succeeded",
            failed: "failed",
            cancelled: "cancelled",
            skipped: "skipped",
            completed: "completed",
            unknown: "unknown",
            partial: "partial",
            stale: "stale",
        },
        heads: HeadTexts {
            state: "State",
            outcome: "Outcome",
            job: "Job",
            run: "Run",
            activity: "Activity",
            event: "Event",
            delivery: "Delivery",
            push: "Push",
            kind: "Kind",
            job_type: "Type",
            queue: "Queue",
            queue_or_workflow: "Queue or workflow",
            workflow: "Workflow",
            workflow_id: "Workflow id",
            media_id: "Media id",
            last_event: "Last event",
            took: "Took",
            wait_and_run: "Wait + run",
            failure: "Failure",
            code: "Code",
            group: "Group",
            message: "Message",
            message_id: "Message id",
            input: "Input",
            input_object: "Input object",
            user_data: "User data",
            submitted: "Submitted",
            started: "Started",
            created: "Created",
            finished: "Finished",
            received: "Received",
            published: "Published",
            when: "When",
            known_from: "Known from",
            about: "About",
            owner: "Owner",
            region: "Region",
            topic: "Topic",
            subscription: "Subscription",
            subscriber: "Subscriber",
            tag: "Tag",
            source: "Source",
            format: "Format",
            lag: "Lag",
            repeats: "Duplicates",
            remarks: "Remarks",
            size: "Size",
            reason: "Reason",
            raw_state: "State as sent",
            activities: "Activities",
            count: "Count",
            first: "First",
            last: "Last",
        },
        duration: english_duration,
        jobs: |count| with_noun(count, "job", "jobs"),
        runs: |count| with_noun(count, "run", "runs"),
        activities: |count| with_noun(count, "activity", "activities"),
        events: |count| with_noun(count, "event", "events"),
        pushes: |count| with_noun(count, "push", "pushes"),
        at_least: |count| format!("{}+", grouped(count)),
        some_failed: |failed, all| format!("{} of {} failed", grouped(failed), grouped(all)),
        first_of: |shown, all| {
            format!(
                "The first {} of {}; the JSON has all.",
                grouped(shown),
                grouped(all)
            )
        },
        colon: ": ",
        comma: ", ",
        known_for: |known, all| format!("known for {} of {}", grouped(known), grouped(all)),
        conflict: "conflict",
        conflict_hint: "Two of its events end it differently",
        nothing_done: "nothing done",
        nothing_done_hint: "Every activity with work in it was skipped",
        not_understood: "unrecognized",
        differs: "differs",
        md5_mismatch: "MD5 mismatch",
        time_from_message: "from the message",
        time_from_envelope: "publish time of the envelope",
        time_from_arrival: "when it arrived; nothing else said",
        empty: "Empty.",
        queue: "Queue",
        workflow: "Workflow",
        copy: "Copy",
        copied: "Copied",
    };

    pub const CHINESE: WordTexts = WordTexts {
        states: StateTexts {
            submitted: "已提交",
            running: "执行中",
            succeeded: "成功",
            failed: "失败",
            cancelled: "已取消",
            skipped: "已跳过",
            completed: "已结束",
            unknown: "未知",
            partial: "部分成功",
            stale: "停滞",
        },
        heads: HeadTexts {
            state: "状态",
            outcome: "结果",
            job: "作业",
            run: "执行实例",
            activity: "活动",
            event: "事件",
            delivery: "投递",
            push: "推送",
            kind: "种类",
            job_type: "类型",
            queue: "管道",
            queue_or_workflow: "管道或工作流",
            workflow: "工作流",
            workflow_id: "工作流 ID",
            media_id: "媒体 ID",
            last_event: "最近事件",
            took: "耗时",
            wait_and_run: "等待 + 执行",
            failure: "失败原因",
            code: "错误码",
            group: "类别",
            message: "错误信息",
            message_id: "消息 ID",
            input: "输入",
            input_object: "输入文件",
            user_data: "自定义数据",
            submitted: "提交时间",
            started: "开始时间",
            created: "创建时间",
            finished: "结束时间",
            received: "接收时间",
            published: "发布时间",
            when: "时间",
            known_from: "时间来源",
            about: "对象",
            owner: "主题所有者",
            region: "地域",
            topic: "主题",
            subscription: "订阅",
            subscriber: "订阅者",
            tag: "消息标签",
            source: "来源",
            format: "格式",
            lag: "延迟",
            repeats: "重复",
            remarks: "备注",
            size: "大小",
            reason: "原因",
            raw_state: "原始状态",
            activities: "活动",
            count: "数量",
            first: "最早",
            last: "最近",
        },
        duration: chinese_duration,
        jobs: |count| format!("{} 个作业", grouped(count)),
        runs: |count| format!("{} 个执行实例", grouped(count)),
        activities: |count| format!("{} 个活动", grouped(count)),
        events: |count| format!("{} 个事件", grouped(count)),
        pushes: |count| format!("{} 次推送", grouped(count)),
        at_least: |count| format!("{}+", grouped(count)),
        some_failed: |failed, all| format!("{} 个中 {} 个失败", grouped(all), grouped(failed)),
        first_of: |shown, all| {
            format!(
                "显示前 {} 个，共 {} 个；JSON 中有全部。",
                grouped(shown),
                grouped(all)
            )
        },
        colon: "：",
        comma: "，",
        known_for: |known, all| format!("{} 个中已知 {} 个", grouped(all), grouped(known)),
        conflict: "冲突",
        conflict_hint: "两个事件给出了不同的结局",
        nothing_done: "未做任何处理",
        nothing_done_hint: "所有实际处理的活动都被跳过",
        not_understood: "无法识别",
        differs: "内容不同",
        md5_mismatch: "MD5 不符",
        time_from_message: "取自消息",
        time_from_envelope: "通知的发布时间",
        time_from_arrival: "到达时间（别无来源）",
        empty: "空。",
        queue: "管道",
        workflow: "工作流",
        copy: "复制",
        copied: "已复制",
    };
}

/// Returns a number with its thousands apart: `12,345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn with_noun(count: u64, one: &str, many: &str) -> String {
    let noun = if count == 1 { one } else { many };
    format!("{} {noun}", grouped(count))
}

fn english_duration(ms: u64) -> String {
    duration(ms, &["s", "min", "h", "d"])
}

fn chinese_duration(ms: u64) -> String {
    let text = duration(ms, &["秒", "分", "小时", "天"]);
    // A length of minutes alone is 分钟; before seconds and after hours 分 is enough.
    match text.strip_suffix(" 分") {
        Some(minutes) if !minutes.contains(' ') => format!("{minutes} 分钟"),
        _ => text,
    }
}

/// Writes a length of time with the names of seconds, minutes, hours and days.
fn duration(ms: u64, [second, minute, hour, day]: &[&str; 4]) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..10 => format!("{seconds}.{} {second}", ms % 1_000 / 100),
        10..60 => format!("{seconds} {second}"),
        60..3_600 => in_two([(seconds / 60, minute), (seconds % 60, second)]),
        3_600..86_400 => in_two([(seconds / 3_600, hour), (seconds % 3_600 / 60, minute)]),
        _ => in_two([(seconds / 86_400, day), (seconds % 86_400 / 3_600, hour)]),
    }
}

/// Writes a number of a unit, and of the next smaller one if there is any of it.
fn in_two([(number, unit), (rest, smaller)]: [(u64, &str); 2]) -> String {
    let number = grouped(number);
    match rest {
        0 => format!("{number} {unit}"),
        _ => format!("{number} {unit} {rest} {smaller}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_short_and_true() {
        let cases = [
            (0, "0.0 s", "0.0 秒"),
            (449, "0.4 s", "0.4 秒"),
            (9_999, "9.9 s", "9.9 秒"),
            (59_999, "59 s", "59 秒"),
            (60_000, "1 min", "1 分钟"),
            (130_000, "2 min 10 s", "2 分 10 秒"),
            (1_440_999, "24 min", "24 分钟"),
            (7_200_000, "2 h", "2 小时"),
            (86_400_000, "1 d", "1 天"),
            (11_100_000, "3 h 5 min", "3 小时 5 分"),
            (187_200_000, "2 d 4 h", "2 天 4 小时"),
        ];
        for (ms, english, chinese) in cases {
            assert_eq!((WordTexts::ENGLISH.duration)(ms), english, "{ms}");
            assert_eq!((WordTexts::CHINESE.duration)(ms), chinese, "{ms}");
        }
        assert!((WordTexts::ENGLISH.duration)(u64::MAX).ends_with(" h"));
    }

    #[test]
    fn numbers_have_their_thousands_apart_and_nouns_their_plural() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), expected);
        }
        assert_eq!((WordTexts::ENGLISH.pushes)(1), "1 push");
        assert_eq!((WordTexts::ENGLISH.activities)(2_000), "2,000 activities");
    }

    #[test]
    fn the_english_words_of_states_are_those_of_json() {
        for state in JobState::ALL {
            assert_eq!(WordTexts::ENGLISH.job_state(&state), state.word());
        }
        for outcome in RunOutcome::ALL {
            assert_eq!(WordTexts::ENGLISH.outcome(&outcome), outcome.word());
        }
    }
}
