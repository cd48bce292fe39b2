//! What the overview says, and the page that is shown before the first push.

/// The texts of `/`.
#[derive(Debug)]
pub struct OverviewTexts {
    pub title: &'static str,
    pub headline: &'static str,
    pub failing: &'static str,
    pub failing_none: &'static str,
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
    pub nothing_before: &'static str,
    pub show_that_window: &'static str,
    pub only_unrecognized: &'static str,
    pub only_unrecognized_link: &'static str,
    pub nothing_yet: &'static str,
    pub trusts_test_key: &'static str,
    pub trusts_test_key_then: &'static str,
    pub step_register: &'static str,
    pub step_register_text: &'static str,
    pub step_register_host: &'static str,
    pub step_retries: &'static str,
    pub step_retries_text: &'static str,
    pub step_open: &'static str,
    pub step_open_text: &'static str,
    pub step_publish: &'static str,
    pub step_publish_text: &'static str,
    pub step_publish_link: &'static str,
}

impl OverviewTexts {
    pub const ENGLISH: OverviewTexts = OverviewTexts {
        title: "Overview",
        headline: "What needs a look",
        failing: "Failing now",
        failing_none: "none",
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
        unrecognized: "Unrecognised",
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
        nothing_before: "Nothing ended in this window, and nothing before it.",
        show_that_window: "Show that time",
        only_unrecognized: "Messages have come in, but none of them told of a job or a run yet. What \
                            they said stands under",
        only_unrecognized_link: "Events",
        nothing_yet: "Nothing has been let in yet",
        trusts_test_key: "This server trusts only pushes that are signed with the test key. Send one \
                          from the same folder:",
        trusts_test_key_then: "It is signed, sent to the address below and shows here as a job. To \
                               receive real pushes, start mpsink serve without --try; it has a \
                               database of its own.",
        step_register: "Register this endpoint",
        step_register_text: "In the SMQ console, subscribe to the topic that your MPS queue or \
                             workflow is bound to, with the type HTTP and this receiver endpoint. \
                             The last part of its path is a secret between you and SMQ.",
        step_register_host: "If its host is one that only this machine or its network knows, \
                             register the one under which the internet reaches it. Behind a proxy \
                             that is its name; the path has to arrive here unchanged.",
        step_retries: "Choose the retries",
        step_retries_text: "Take EXPONENTIAL_DECAY_RETRY: SMQ then tries for a day. With the default \
                            it gives up after three tries and drops the message for good. Set no \
                            filter tag: MPS sets none, so nothing would pass.",
        step_open: "See that the way is open",
        step_open_text: "From any machine that has mpsink, send a probe. It is signed with a test \
                         key that this server does not trust, so it has to be refused, and that \
                         shows that path, proxy and TLS are right.",
        step_publish: "Publish a message",
        step_publish_text: "The SMQ console can publish a test message to the topic. It will show \
                            as not understood, since it is no message of MPS, under",
        step_publish_link: "Deliveries",
    };

    pub const CHINESE: OverviewTexts = OverviewTexts {
        title: "总览",
        headline: "需要关注",
        failing: "正在失败",
        failing_none: "无",
        stuck: "停滞",
        stuck_hint: "早已开始、却一直没有 Report 的执行实例。",
        silent: "静默时长",
        silent_hint: "距最近一次接收的推送有多久。平时繁忙的主题突然静默，可能是订阅丢失了。",
        held: "待审",
        held_hint: "由 SMQ 签名，等待人工放行或丢弃。",
        refused: "已拒绝",
        refused_hint: "签名不成立的推送，以及发往非本服务地址的推送。其内容一概不予采信。",
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
        nothing_in_window: |last| format!("本时间范围内没有结束的。此前最近一次是 {last}。"),
        nothing_before: "本时间范围内没有结束的，此前也没有。",
        show_that_window: "显示那段时间",
        only_unrecognized: "已收到消息，但还没有一条说明作业或执行实例。消息内容见",
        only_unrecognized_link: "事件",
        nothing_yet: "还没有接收到任何推送",
        trusts_test_key: "本服务器只信任用测试密钥签名的推送。请在同一目录下发送一条：",
        trusts_test_key_then: "它会被签名并发送到下面的地址，随后在这里显示为一个作业。要接收真实推送，\
                               请不带 --try 启动 mpsink serve，它使用另一个数据库。",
        step_register: "登记此接收端地址",
        step_register_text: "在 SMQ 控制台，为 MPS 管道或工作流绑定的主题创建订阅，推送类型选 HTTP，\
                             接收端地址填下面这个。路径的最后一段是您与 SMQ 之间的秘密。",
        step_register_host: "如果其中的主机名只有本机或内网认识，请换成公网能访问的主机名。\
                             前面有代理时用代理的名称，路径须原样到达这里。",
        step_retries: "选择重试策略",
        step_retries_text: "请选 EXPONENTIAL_DECAY_RETRY，SMQ 会重试一天。默认策略重试三次后就永久丢弃消息。\
                            不要设置过滤标签：MPS 不带标签，设置后什么也收不到。",
        step_open: "确认通路",
        step_open_text: "在任何装有 mpsink 的机器上发送一次探测。它用本服务器不信任的测试密钥签名，所以必定被拒绝；\
                         被拒绝就说明路径、代理和 TLS 都正确。",
        step_publish: "发布一条消息",
        step_publish_text: "可以在 SMQ 控制台向主题发布一条测试消息。它不是 MPS 的消息，会显示为无法识别，见",
        step_publish_link: "投递",
    };
}
