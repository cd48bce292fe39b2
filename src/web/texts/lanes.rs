//! What the pages of lanes say: the overview's drawings, a queue's page, a workflow's page.

use crate::store::lane_records::Ended;
use crate::web::texts::words::grouped;

/// Texts about one queue or workflow over a window.
#[derive(Debug)]
pub struct LaneTexts {
    pub window: &'static str,
    /// The lengths of windows that are offered, as `Span::ALL`.
    pub spans: [&'static str; 5],
    pub earlier: &'static str,
    pub now: &'static str,
    pub later: &'static str,
    pub other_window: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    pub show: &'static str,
    pub times_hint: &'static str,
    /// The window's begin and end.
    pub from_to: fn(&str, &str) -> String,
    /// How long a column stands for.
    pub column_hint: fn(&str) -> String,
    pub others: &'static str,
    pub ended: &'static str,
    pub ended_hint: &'static str,
    pub success_share: &'static str,
    pub share_hint: &'static str,
    pub last_seen: &'static str,
    pub last_seen_hint: &'static str,
    /// How long ago something was.
    pub ago: fn(&str) -> String,
    pub failing: &'static str,
    pub failing_hint: &'static str,
    pub failed_hint: &'static str,
    /// About how long, in milliseconds.
    pub about: fn(u64) -> String,
    pub median: &'static str,
    pub longest: &'static str,
    /// A length, and for how many of all it is known.
    pub median_known: fn(&str, u64, u64) -> String,
    pub durations: &'static str,
    pub durations_unknown: &'static str,
    /// The median, the 95th percentile and the mean, each in words.
    pub durations_are: fn(&str, &str, &str) -> String,
    /// From when to when, and what ended.
    pub chunk: fn(&str, &str, Ended) -> String,
    /// What a thing is called, its state, and when.
    pub item: fn(&str, &str, &str) -> String,
    pub began_ended: fn(&str, &str) -> String,
    pub goes_on_since: fn(&str) -> String,
    pub ended_at: fn(&str) -> String,
    pub heard_of_at: fn(&str) -> String,
    pub clock_skew: &'static str,
    /// A lane's name, how much ended and how much of it failed.
    pub lane_label: fn(&str, u64, u64) -> String,
    pub as_table: &'static str,
    pub finished_per_hour: &'static str,
    pub per_hour_hint: &'static str,
    pub lag_hint: &'static str,
    pub lag_unknown: &'static str,
    pub outcomes: &'static str,
    pub outcomes_table: &'static str,
    pub slot: &'static str,
    pub failures: &'static str,
    pub failures_lead: &'static str,
    pub failures_none: &'static str,
    pub failures_first_of: fn(u64) -> String,
    pub failures_without_code: fn(u64) -> String,
    pub latest: &'static str,
    pub latest_jobs: &'static str,
    pub latest_runs: &'static str,
    pub all_jobs: &'static str,
    pub all_runs: &'static str,
    pub nothing_in_window: &'static str,
    pub region: fn(&str) -> String,
    pub owner: fn(&str) -> String,
    pub grid: &'static str,
    pub grid_lead: &'static str,
    pub grid_caption: &'static str,
    pub grid_more: fn(u64) -> String,
    pub grid_runs: &'static str,
    pub no_runs: &'static str,
    /// In how many of the last runs an activity failed, and since when.
    pub failed_in_last: fn(u64, &str) -> String,
    pub failed_in_all: fn(u64, &str) -> String,
    pub failed_in_newest: fn(&str) -> String,
    pub nothing_failing: &'static str,
    pub by_activity: &'static str,
    pub by_activity_hint: &'static str,
    pub not_in_run: &'static str,
}

impl LaneTexts {
    pub const ENGLISH: LaneTexts = LaneTexts {
        window: "Window of time",
        spans: ["1 h", "6 h", "24 h", "7 days", "30 days"],
        earlier: "Earlier",
        now: "Now",
        later: "Later",
        other_window: "Another window",
        from: "From",
        to: "To",
        show: "Show",
        times_hint: "A time such as 2024-05-06T08:00:00Z, or 12h, 3d, 2w back from now.",
        from_to: |from, to| format!("{from} to {to}"),
        column_hint: |length| {
            format!(
                "A column stands for {length}; the highest of a lane fills its height. Where a lane \
                 has few, they are shown one by one: a bar from start to end, an icon alone where \
                 no message says when it started. Numbers go by the end; the lists behind them go by \
                 the last event, so they also have what has not ended, and leave out what was heard \
                 of again later."
            )
        },
        others: "cancelled, skipped or ended otherwise",
        ended: "Ended",
        ended_hint: "What ended in this window. The list behind it goes by the last event: it also has \
                     what has not ended, and leaves out what was heard of again later.",
        success_share: "Success share",
        share_hint: "What succeeded, among what succeeded or failed wholly or in part.",
        last_seen: "Last seen",
        last_seen_hint: "The newest event, in this window or not.",
        ago: |length| format!("{length} ago"),
        failing: "failing now",
        failed_hint: "What failed in the window. It is failing now if, of what ended in the last hour, \
                      at least 3 and at least 10 % failed wholly or in part, or all did.",
        failing_hint: "Of what ended in the last hour, at least 3 and at least 10 % failed wholly or \
                       in part, or everything did.",
        about: |ms| about(ms, "under 1 s", &["s", "min", "h", "days"]),
        median: "Median",
        longest: "Longest",
        median_known: |length, known, of| {
            format!(
                "median about {length}, known for {} of {}",
                grouped(known),
                grouped(of)
            )
        },
        durations: "Durations",
        durations_unknown: "No message said when one started, so no duration is known.",
        durations_are: |median, p95, mean| {
            format!("median about {median}, 95 % within about {p95}, mean {mean}")
        },
        chunk: |from, to, ended| format!("{from} to {to}: {}", english_ended(ended)),
        item: |name, state, times| format!("{name}: {state}, {times}"),
        began_ended: |began, ended| format!("{began} to {ended}"),
        goes_on_since: |since| format!("since {since}"),
        ended_at: |at| format!("ended {at}"),
        heard_of_at: |at| format!("last heard of {at}"),
        clock_skew: "ended before it started: a clock was wrong",
        lane_label: |name, ended, failed| {
            format!(
                "{name}: {} ended, {} of them failed. The table below has the numbers.",
                grouped(ended),
                grouped(failed)
            )
        },
        as_table: "The same as a table",
        finished_per_hour: "Ended an hour",
        per_hour_hint: "Over the part of this window that has passed.",
        lag_hint: "From publishing to arrival. It grows when SMQ retries or backs off.",
        lag_unknown: "No push with a publish time.",
        outcomes: "What ended, by time",
        outcomes_table: "What ended, by time, as a table",
        slot: "Time",
        failures: "Failures by code",
        failures_lead: "Of this window, the most frequent first.",
        failures_none: "Nothing failed with a code in this window.",
        failures_first_of: |count| format!("Only the newest {} were looked at.", grouped(count)),
        failures_without_code: |count| format!("{} more failed without a code.", grouped(count)),
        latest: "Latest",
        latest_jobs: "Latest jobs",
        latest_runs: "Latest runs",
        all_jobs: "All its jobs",
        all_runs: "All its runs",
        nothing_in_window: "Nothing ended in this window.",
        region: |region| format!("Region {region}"),
        owner: |owner| format!("Owner {owner}"),
        grid: "Runs and their activities",
        grid_lead: "The last runs up to the window’s end, the newest on the right. A bar’s height is \
                    the run’s duration; below it stands what became of each activity.",
        grid_caption: "Activities of the last runs: one row each, one column for each run, the newest last",
        grid_more: |count| format!("{} more activities are not shown.", grouped(count)),
        grid_runs: "Duration",
        no_runs: "No run up to the end of this window.",
        failed_in_last: |runs, since| {
            format!(
                "has failed in the last {} runs that had it, since {since}.",
                grouped(runs)
            )
        },
        failed_in_all: |runs, since| {
            format!(
                "has failed in each of these {} runs that had it, since {since} or longer.",
                grouped(runs)
            )
        },
        failed_in_newest: |since| format!("has failed in the newest run that had it, at {since}."),
        nothing_failing: "No activity failed in the newest run that had it.",
        by_activity: "Durations by activity",
        by_activity_hint: "Of the runs above. A length is wait + run: MPS says when an activity began \
                           to wait, not when its work began.",
        not_in_run: "not in this run",
    };

    pub const CHINESE: LaneTexts = LaneTexts {
        window: "时间范围",
        spans: ["1 小时", "6 小时", "24 小时", "7 天", "30 天"],
        earlier: "前一段",
        now: "现在",
        later: "后一段",
        other_window: "其他时间范围",
        from: "从",
        to: "到",
        show: "显示",
        times_hint: "填写 2024-05-06T08:00:00Z 这样的时间，或 12h、3d、2w 表示距现在多久。",
        from_to: |from, to| format!("{from} 至 {to}"),
        column_hint: |length| {
            format!(
                "每根柱代表 {length}，每行中最高的一根占满行高。数量少时逐个显示：横条从开始到结束；\
                 消息没有给出开始时间的只显示图标。数字按结束时间统计；链接的列表按最近事件筛选，\
                 因此也包括尚未结束的，不包括此后又有消息的。"
            )
        },
        others: "已取消、已跳过或其他结束",
        ended: "结束总数",
        ended_hint: "本时间范围内结束的数量。链接的列表按最近事件筛选：也包括尚未结束的，不包括此后又有消息的。",
        success_share: "成功率",
        share_hint: "成功的数量，占成功、失败与部分成功总数的比例。",
        last_seen: "最近消息",
        last_seen_hint: "最近一个事件，不限于本时间范围。",
        ago: |length| format!("{length}前"),
        failing: "正在失败",
        failed_hint: "时间范围内失败的数量。若最近一小时结束的当中，失败或部分成功的至少有 3 个且不低于 10 %，或者全部如此，则标为“正在失败”。",
        failing_hint: "最近一小时结束的当中，失败或部分成功的至少有 3 个且不低于 10 %，或者全部如此。",
        about: |ms| about(ms, "不到 1 秒", &["秒", "分钟", "小时", "天"]),
        median: "中位数",
        longest: "最长",
        median_known: |length, known, of| {
            format!(
                "中位数约 {length}，{} 个中已知 {} 个",
                grouped(of),
                grouped(known)
            )
        },
        durations: "耗时",
        durations_unknown: "消息没有给出开始时间，因此耗时未知。",
        durations_are: |median, p95, mean| {
            format!("中位数约 {median}，95 % 约在 {p95}以内，平均 {mean}")
        },
        chunk: |from, to, ended| format!("{from} 至 {to}：{}", chinese_ended(ended)),
        item: |name, state, times| format!("{name}：{state}，{times}"),
        began_ended: |began, ended| format!("{began} 至 {ended}"),
        goes_on_since: |since| format!("自 {since} 起"),
        ended_at: |at| format!("{at} 结束"),
        heard_of_at: |at| format!("最近消息 {at}"),
        clock_skew: "结束早于开始：某处时钟有误",
        lane_label: |name, ended, failed| {
            format!(
                "{name}：{} 个已结束，其中 {} 个失败。数字见下方表格。",
                grouped(ended),
                grouped(failed)
            )
        },
        as_table: "以表格显示",
        finished_per_hour: "每小时结束",
        per_hour_hint: "按本时间范围内已经过去的时间计算。",
        lag_hint: "从发布到到达的时间。SMQ 重试或退避时会变大。",
        lag_unknown: "没有带发布时间的推送。",
        outcomes: "各时段的结果",
        outcomes_table: "各时段的结果（表格）",
        slot: "时段",
        failures: "按错误码归类的失败",
        failures_lead: "本时间范围内，次数多的在前。",
        failures_none: "本时间范围内没有带错误码的失败。",
        failures_first_of: |count| format!("只统计了最近的 {} 个。", grouped(count)),
        failures_without_code: |count| format!("另有 {} 个失败没有错误码。", grouped(count)),
        latest: "最近一个",
        latest_jobs: "最近的作业",
        latest_runs: "最近的执行实例",
        all_jobs: "全部作业",
        all_runs: "全部执行实例",
        nothing_in_window: "本时间范围内没有作业或执行实例结束。",
        region: |region| format!("地域 {region}"),
        owner: |owner| format!("主题所有者 {owner}"),
        grid: "执行实例与活动",
        grid_lead: "截至时间范围末尾的最近执行实例，最新的在右侧。柱高表示执行实例的耗时，下方是各个活动的结果。",
        grid_caption: "最近执行实例的活动：每行一个活动，每列一个执行实例，最新的在最后",
        grid_more: |count| format!("另有 {} 个活动未显示。", grouped(count)),
        grid_runs: "耗时",
        no_runs: "截至本时间范围末尾没有执行实例。",
        failed_in_last: |runs, since| {
            format!(
                "在最近 {} 个含有它的执行实例中连续失败，自 {since} 起。",
                grouped(runs)
            )
        },
        failed_in_all: |runs, since| {
            format!(
                "在这里含有它的全部 {} 个执行实例中都失败，至少自 {since} 起。",
                grouped(runs)
            )
        },
        failed_in_newest: |since| format!("在最新一个含有它的执行实例中失败，时间 {since}。"),
        nothing_failing: "各个活动在最新一个含有它的执行实例中都没有失败。",
        by_activity: "各活动的耗时",
        by_activity_hint: "取自上面的执行实例。时长为等待 + 执行：MPS 给出的是开始等待的时间，而不是开始处理的时间。",
        not_in_run: "此执行实例中没有",
    };
}

/// Writes what ended as a list of words with their numbers, without those that are 0.
fn listed(ended: Ended, names: [&str; 6], between: &str) -> String {
    let counts = [
        ended.failed,
        ended.partial,
        ended.succeeded,
        ended.cancelled,
        ended.skipped,
        ended.completed,
    ];
    let found = counts
        .into_iter()
        .zip(names)
        .filter(|(count, _)| *count > 0);
    let found: Vec<String> = found
        .map(|(count, name)| format!("{} {name}", grouped(count)))
        .collect();
    found.join(between)
}

fn english_ended(ended: Ended) -> String {
    let names = [
        "failed",
        "partial",
        "succeeded",
        "cancelled",
        "skipped",
        "completed",
    ];
    listed(ended, names, ", ")
}

fn chinese_ended(ended: Ended) -> String {
    let names = [
        "个失败",
        "个部分成功",
        "个成功",
        "个已取消",
        "个已跳过",
        "个已结束",
    ];
    listed(ended, names, "，")
}

/// Writes a length of time to as many digits as a histogram knows it: one or two.
fn about(ms: u64, under_a_second: &str, [second, minute, hour, day]: &[&str; 4]) -> String {
    let rounded = |unit_ms: u64| (ms + unit_ms / 2) / unit_ms;
    let (number, unit) = match ms {
        0..1_000 => return under_a_second.to_owned(),
        1_000..60_000 => (rounded(1_000), second),
        60_000..3_600_000 => (rounded(60_000), minute),
        3_600_000..172_800_000 => (rounded(3_600_000), hour),
        _ => (ms / 86_400_000, day),
    };
    format!("{} {unit}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_is_about_right_has_one_unit() {
        for (ms, english, chinese) in [
            (0, "under 1 s", "不到 1 秒"),
            (1_499, "1 s", "1 秒"),
            (130_000, "2 min", "2 分钟"),
            (5_400_000, "2 h", "2 小时"),
            (200_000_000, "2 days", "2 天"),
        ] {
            assert_eq!((LaneTexts::ENGLISH.about)(ms), english);
            assert_eq!((LaneTexts::CHINESE.about)(ms), chinese);
        }
        assert!((LaneTexts::ENGLISH.about)(u64::MAX).ends_with(" days"));
    }

    #[test]
    fn what_ended_is_said_without_what_did_not() {
        let ended = Ended {
            failed: 3,
            succeeded: 4_000,
            ..Ended::default()
        };
        let english = (LaneTexts::ENGLISH.chunk)("08:00", "08:12", ended);
        assert_eq!(english, "08:00 to 08:12: 3 failed, 4,000 succeeded");
        let chinese = (LaneTexts::CHINESE.chunk)("08:00", "08:12", ended);
        assert_eq!(chinese, "08:00 至 08:12：3 个失败，4,000 个成功");
    }
}
