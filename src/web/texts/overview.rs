//! What the overview says, and the page that is shown before the first push.

/// The texts of `/`.
#[derive(Debug)]
pub struct OverviewTexts {
    pub title: &'static str,
    pub headline: &'static str,
    pub failing: &'static str,
    pub stuck: &'static str,
    pub stuck_hint: &'static str,
    pub silent: &'static str,
    pub silent_hint: &'static str,
    pub held: &'static str,
    pub held_hint: &'static str,
    pub refused: &'static str,
    pub refused_hint: &'static str,
    pub unrecognized: &'static str,
    pub unrecognized_hint: &'static str,
    pub lag: &'static str,
    /// The 95th percentile.
    pub lag_p95: fn(&str) -> String,
    pub meaning: &'static str,
    pub order: &'static str,
    pub by_trouble: &'static str,
    pub by_name: &'static str,
    pub queues: &'static str,
    pub workflows: &'static str,
    pub lane_of_queue: &'static str,
    pub lane_of_workflow: &'static str,
    pub has_more: &'static str,
    /// When the last thing happened.
    pub nothing_in_window: fn(&str) -> String,
    /// Nothing before the window either; the newest of all is later.
    pub nothing_before: fn(&str) -> String,
    pub show_that_window: &'static str,
    pub only_unrecognized: &'static str,
    pub only_unrecognized_link: &'static str,
    pub nothing_yet: &'static str,
    pub how_to_connect: &'static str,
    pub connect: &'static str,
}

impl OverviewTexts {
    pub const ENGLISH: OverviewTexts = OverviewTexts {
        title: "Overview",
        headline: "What needs a look",
        failing: "Failing now",
        stuck: "Stuck",
        stuck_hint: "Runs that began long ago and whose Report has not come.",
        silent: "Silent for",
        silent_hint: "Time since the last push that was let in. A topic that is usually busy and \
                      falls silent may have lost its subscription.",
        held: "Held",
        held_hint: "Signed by SMQ, and waiting for a person to admit or drop.",
        refused: "Refused",
        refused_hint: "Pushes whose signature does not hold, and those to an address that is not \
                       ours. Nothing of them is believed.",
        unrecognized: "Unrecognized",
        unrecognized_hint: "Messages of this window that were let in and not understood. They are \
                            kept.",
        lag: "Delivery lag",
        lag_p95: |p95| format!("95 % within {p95}"),
        meaning: "What these numbers mean",
        order: "Order",
        by_trouble: "Trouble first",
        by_name: "By name",
        queues: "Queues",
        workflows: "Workflows",
        lane_of_queue: "Queue",
        lane_of_workflow: "Workflow",
        has_more: "There are more queues or workflows; these are the ones with the newest events.",
        nothing_in_window: |last| {
            format!("Nothing ended in this window. The last before it was {last}.")
        },
        nothing_before: |newest| {
            format!("Nothing ended in this window, and nothing before it. The newest is {newest}.")
        },
        show_that_window: "Show that time",
        only_unrecognized: "Messages have come in, but none of them told of a job or a run yet. What \
                            they said stands under",
        only_unrecognized_link: "Events",
        nothing_yet: "Nothing has been let in yet",
        how_to_connect: "What to enter in the consoles of SMQ and MPS, and whether it works yet, stands \
                         under Connect. The first push that is let in shows here.",
        connect: "Connect",
    };

    pub const CHINESE: OverviewTexts = OverviewTexts {
        title: "总览",
        headline: "需要关注",
        failing: "正在失败",
        stuck: "停滞",
        stuck_hint: "早已开始、却一直没有 Report 的执行实例。",
        silent: "静默时长",
        silent_hint: "距最近一次接收的推送有多久。平时繁忙的主题突然静默，可能是订阅丢失了。",
        held: "待审",
        held_hint: "由 SMQ 签名，等待人工放行或丢弃。",
        refused: "已拒绝",
        refused_hint: "签名无效的推送，以及发往非本服务地址的推送。其内容一概不予采信。",
        unrecognized: "无法识别",
        unrecognized_hint: "本时间范围内已接收但无法识别的消息，均已保留。",
        lag: "投递延迟",
        lag_p95: |p95| format!("95 % 在 {p95}以内"),
        meaning: "这些数字的含义",
        order: "排序",
        by_trouble: "问题优先",
        by_name: "按名称",
        queues: "管道",
        workflows: "工作流",
        lane_of_queue: "管道",
        lane_of_workflow: "工作流",
        has_more: "还有更多管道或工作流；这里是最近有事件的。",
        nothing_in_window: |last| {
            format!("本时间范围内没有作业或执行实例结束。此前最近一次是 {last}。")
        },
        nothing_before: |newest| {
            format!("本时间范围内没有作业或执行实例结束，此前也没有。最新的一条是 {newest}。")
        },
        show_that_window: "显示那段时间",
        only_unrecognized: "已收到消息，但还没有一条说明作业或执行实例。消息内容见",
        only_unrecognized_link: "事件",
        nothing_yet: "还没有接收到任何推送",
        how_to_connect: "在 SMQ 和 MPS 控制台要填写的内容，以及是否已经接通，见接入页面。首次接收推送后，\
                         这里就会显示。",
        connect: "前往接入",
    };
}
