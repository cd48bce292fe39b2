//! The pages of one job, one run and one delivery.

/// What they say beside the heads of facts and tables, which are in `words.rs`.
#[derive(Debug)]
pub struct DetailTexts {
    pub several_jobs: fn(u64) -> String,
    pub several_runs: fn(u64) -> String,
    pub job_of_owner: fn(&str) -> String,
    pub run_of_owner: fn(&str) -> String,
    /// How long it took, behind the state.
    pub after: fn(&str) -> String,
    pub nothing_done: &'static str,
    pub stale: &'static str,
    pub job_conflict: &'static str,
    pub run_conflict: &'static str,
    pub why_it_failed: &'static str,
    pub what_failed: &'static str,
    pub jobs_with_code: &'static str,
    pub activities_with_code: &'static str,
    pub facts: &'static str,
    pub template: &'static str,
    pub extra: &'static str,
    pub no_activities: &'static str,
    pub activities_caption: &'static str,
    pub wait_and_run: &'static str,
    pub as_activity: &'static str,
    pub events_of_job: fn(&str) -> String,
    pub events_of_run: fn(&str) -> String,
    pub events_of_job_caption: &'static str,
    pub events_of_run_caption: &'static str,
    pub repeats_counted: fn(&str) -> String,
    pub deliveries_caption: &'static str,
    pub messages: &'static str,
    pub decides: &'static str,
    pub earlier_messages: &'static str,
    /// None of the messages can be shown: age has emptied them, as their deliveries' pages say.
    pub no_messages: &'static str,
    pub job_as_json: &'static str,
    pub run_as_json: &'static str,
    pub drawing: DrawingTexts,
    pub kinds: KindTexts,
    pub delivery: DeliveryTexts,
}

/// What stands in and beside the drawing of one run or job.
#[derive(Debug)]
pub struct DrawingTexts {
    pub of_run: &'static str,
    pub of_job: &'static str,
    pub waited: &'static str,
    pub ran: &'static str,
    pub from_to: fn(&str, &str) -> String,
    pub since: fn(&str) -> String,
    pub started_and_no_end: fn(&str) -> String,
    pub ended_and_no_start: fn(&str) -> String,
    pub no_times: &'static str,
    pub goes_on: &'static str,
    pub clock_skew: &'static str,
    pub clock_skew_hint: &'static str,
}

/// What an event is of.
#[derive(Debug)]
pub struct KindTexts {
    pub job: &'static str,
    pub run: &'static str,
    pub activity: &'static str,
    pub unrecognized: &'static str,
}

/// The page of one delivery, and how requests and messages are shown anywhere.
#[derive(Debug)]
pub struct DeliveryTexts {
    pub not_understood: &'static str,
    pub kept_whole: &'static str,
    /// The message is gone; messages are kept for so long, if not for ever by now.
    pub emptied: fn(Option<&str>) -> String,
    pub differs: &'static str,
    pub md5_mismatch: &'static str,
    pub after_published: fn(&str) -> String,
    /// The format, and how long the body was.
    pub format_and_size: fn(&str, &str) -> String,
    pub no_repeats: &'static str,
    /// Between how many there were and when the last one came.
    pub last_repeat: &'static str,
    pub as_file: &'static str,
    /// Before and behind the name of the command.
    pub for_verify: (&'static str, &'static str),
    pub events_caption: &'static str,
    pub message: &'static str,
    pub request: &'static str,
    pub headers_caption: &'static str,
    pub header: &'static str,
    pub value: &'static str,
    pub note_cut: fn(&str) -> String,
    pub note_not_utf8: &'static str,
    pub note_lines_added: &'static str,
}

impl DetailTexts {
    pub const ENGLISH: DetailTexts = DetailTexts {
        several_jobs: |count| {
            format!(
                "{count} accounts have a job with this id. They are different jobs, shown one \
                 after the other."
            )
        },
        several_runs: |count| {
            format!(
                "{count} accounts have a run with this id. They are different runs, shown one \
                 after the other."
            )
        },
        job_of_owner: |owner| format!("Job of owner {owner}"),
        run_of_owner: |owner| format!("Run of owner {owner}"),
        after: |duration| format!("after {duration}"),
        nothing_done: "It ended well, but every activity with work in it was skipped: nothing was \
                       done.",
        stale: "It should have ended by now, and no Report of it has come. Either it still runs, \
                or its last message was lost: MPS’s console knows.",
        job_conflict: "Two of its events end it differently. The state shown is that of the last \
                       one; both stand below.",
        run_conflict: "Two of its events end it differently. The outcome shown follows the last \
                       one; both stand below.",
        why_it_failed: "Why it failed",
        what_failed: "What failed in it",
        jobs_with_code: "others with it",
        activities_with_code: "activities with it",
        facts: "Facts",
        template: "Template",
        extra: "What else its messages carry",
        no_activities: "Its messages list none.",
        activities_caption: "Activities of the run in the order they started",
        wait_and_run: "MPS starts all activities of one level in the same second, so the length \
                       of one is its wait in the queue and its work together.",
        as_activity: "As an activity of its run",
        events_of_job: |events| {
            format!("{events}, in the order they are read in; the last decides the state")
        },
        events_of_run: |events| format!("{events}, in the order they are read in"),
        events_of_job_caption: "Events of the job",
        events_of_run_caption: "Events of the run",
        repeats_counted: |pushes| format!("{pushes}, repeats counted"),
        deliveries_caption: "Deliveries that brought the events",
        messages: "Messages",
        decides: "decides the state",
        earlier_messages: "Earlier messages stand on the pages of their deliveries.",
        no_messages: "No message can be shown here; the pages of the deliveries say why.",
        job_as_json: "This job as JSON",
        run_as_json: "This run as JSON",
        drawing: DrawingTexts {
            of_run: "The activities of the run over time; the table below says the same",
            of_job: "The job over time; the facts above say the same",
            waited: "waited",
            ran: "ran",
            from_to: |from, to| format!("{from} to {to}"),
            since: |from| format!("since {from}"),
            started_and_no_end: |from| format!("started {from}, no message says when it ended"),
            ended_and_no_start: |to| format!("ended {to}, no message says when it started"),
            no_times: "no message says when",
            goes_on: "goes on",
            clock_skew: "clock skew",
            clock_skew_hint: "It ended before it started: two clocks disagree",
        },
        kinds: KindTexts {
            job: "job",
            run: "run",
            activity: "activity",
            unrecognized: "unrecognized",
        },
        delivery: DeliveryTexts {
            not_understood: "Not understood.",
            kept_whole: "The message is kept whole.",
            emptied: |kept_for| {
                let gone = "The message and the request are not kept any more; what was read from \
                            them stands above.";
                match kept_for {
                    Some(time) => format!(
                        "{gone} Messages are kept for {time} after they came: retention.messages in \
                         the configuration."
                    ),
                    None => gone.to_owned(),
                }
            },
            differs: "The same message id came again with another message. The first is the one \
                      kept here.",
            md5_mismatch: "The envelope’s MessageMD5 is not that of the message in it.",
            after_published: |duration| format!("{duration} after it was published"),
            format_and_size: |format, size| format!("{format}, body of {size}"),
            no_repeats: "none",
            last_repeat: ", the last ",
            as_file: "The push as a file",
            for_verify: ("for ", "; holds the secret part of the path"),
            events_caption: "Events read from the message",
            message: "Message",
            request: "Request",
            headers_caption: "Headers of the push",
            header: "Header",
            value: "Value",
            note_cut: |size| format!("Only the first {size} are shown."),
            note_not_utf8: "It is not valid UTF-8; bytes that cannot be shown are replaced by �.",
            note_lines_added: "JSON, with line breaks added.",
        },
    };

    pub const CHINESE: DetailTexts = DetailTexts {
        several_jobs: |count| {
            format!("有 {count} 个账号存在此 ID 的作业。它们是不同的作业，依次显示如下。")
        },
        several_runs: |count| {
            format!("有 {count} 个账号存在此 ID 的执行实例。它们互不相同，依次显示如下。")
        },
        job_of_owner: |owner| format!("主题所有者 {owner} 的作业"),
        run_of_owner: |owner| format!("主题所有者 {owner} 的执行实例"),
        after: |duration| format!("耗时 {duration}"),
        nothing_done: "执行成功，但所有实际处理的活动都被跳过：未做任何处理。",
        stale: "按时间早应结束，但一直没有收到 Report 消息。可能仍在执行，也可能最后一条消息已丢失：\
                请到 MPS 控制台确认。",
        job_conflict: "两个事件给出了不同的结局。显示的是最后一个事件的状态，两个事件均列于下方。",
        run_conflict: "两个事件给出了不同的结局。结果以最后一个事件为准，两个事件均列于下方。",
        why_it_failed: "失败原因",
        what_failed: "其中失败的部分",
        jobs_with_code: "相同错误码的作业",
        activities_with_code: "相同错误码的活动",
        facts: "基本信息",
        template: "模板",
        extra: "消息中的其他内容",
        no_activities: "消息中没有列出活动。",
        activities_caption: "执行实例的活动，按开始时间排列",
        wait_and_run: "MPS 会在同一秒启动同一层的所有活动，因此活动的时长包括在管道中等待和实际执行的时间。",
        as_activity: "在执行实例中的活动",
        events_of_job: |events| format!("{events}，按处理顺序排列；状态以最后一个为准"),
        events_of_run: |events| format!("{events}，按处理顺序排列"),
        events_of_job_caption: "作业的事件",
        events_of_run_caption: "执行实例的事件",
        repeats_counted: |pushes| format!("{pushes}，含重复推送"),
        deliveries_caption: "带来这些事件的投递",
        messages: "消息",
        decides: "状态以此为准",
        earlier_messages: "更早的消息见各自的投递页面。",
        no_messages: "此处没有可显示的消息，原因见各自的投递页面。",
        job_as_json: "此作业的 JSON",
        run_as_json: "此执行实例的 JSON",
        drawing: DrawingTexts {
            of_run: "执行实例的活动时间图，内容与下表相同",
            of_job: "作业的时间图，内容与上方信息相同",
            waited: "等待",
            ran: "执行",
            from_to: |from, to| format!("{from} 至 {to}"),
            since: |from| format!("{from} 开始"),
            started_and_no_end: |from| format!("{from} 开始，没有消息说明结束时间"),
            ended_and_no_start: |to| format!("{to} 结束，没有消息说明开始时间"),
            no_times: "没有消息说明时间",
            goes_on: "仍在执行",
            clock_skew: "时钟偏差",
            clock_skew_hint: "结束时间早于开始时间：两处时钟不一致",
        },
        kinds: KindTexts {
            job: "作业",
            run: "执行实例",
            activity: "活动",
            unrecognized: "无法识别",
        },
        delivery: DeliveryTexts {
            not_understood: "无法识别。",
            kept_whole: "消息已完整保存。",
            emptied: |kept_for| {
                let gone = "消息和请求已不再保存；从中读出的内容见上方。";
                match kept_for {
                    Some(time) => {
                        format!("{gone}消息在收到后保存 {time}：见配置中的 retention.messages。")
                    }
                    None => gone.to_owned(),
                }
            },
            differs: "同一消息 ID 再次到达，但内容不同。此处保存的是第一次的内容。",
            md5_mismatch: "通知中的 MessageMD5 与消息内容不符。",
            after_published: |duration| format!("发布后 {duration}"),
            format_and_size: |format, size| format!("{format}，正文 {size}"),
            no_repeats: "无",
            last_repeat: " 次，最近一次 ",
            as_file: "下载推送原文",
            for_verify: ("供 ", " 使用；其中含路径的保密部分"),
            events_caption: "从消息中读出的事件",
            message: "消息",
            request: "请求",
            headers_caption: "推送的请求头",
            header: "请求头",
            value: "值",
            note_cut: |size| format!("只显示前 {size}。"),
            note_not_utf8: "不是有效的 UTF-8；无法显示的字节以 � 代替。",
            note_lines_added: "JSON，已添加换行。",
        },
    };
}
