//! What `/connect` says: what to enter in the vendor's consoles, and whether it works.
//!
//! Labels are those of the consoles in that language; a value to enter is the same in both.

use crate::web::connection::Progress;
use crate::web::texts::words::grouped;

/// The texts of `/connect`.
#[derive(Debug)]
pub struct ConnectTexts {
    pub title: &'static str,
    pub lead: &'static str,
    pub endpoint: &'static str,
    pub endpoint_secret: &'static str,
    pub no_public_url: &'static str,
    pub plain_http: &'static str,
    pub trusts_test_key: &'static str,
    pub trusts_test_key_then: &'static str,
    pub enter: &'static str,
    pub field_head: &'static str,
    pub value_head: &'static str,
    pub why_head: &'static str,
    pub topic: &'static str,
    pub topic_lead: &'static str,
    pub topic_fields: &'static [Field],
    pub subscription: &'static str,
    pub subscription_lead: &'static str,
    pub subscription_fields: &'static [Field],
    pub queue: &'static str,
    pub queue_lead: &'static str,
    pub queue_fields: &'static [Field],
    pub workflow: &'static str,
    pub workflow_lead: &'static str,
    pub workflow_fields: &'static [Field],
    pub state: &'static str,
    pub details: &'static str,
    pub progress: fn(Progress) -> &'static str,
    pub progress_long: fn(Progress) -> &'static str,
    pub source: &'static str,
    pub first_push: &'static str,
    pub newest_push: &'static str,
    pub owners: &'static str,
    pub owners_none: &'static str,
    pub pinned: &'static str,
    pub by_person: &'static str,
    pub by_configuration: &'static str,
    /// The format's name stands before it.
    pub verified: &'static str,
    pub held: &'static str,
    pub held_count: fn(u64) -> String,
    pub look: &'static str,
    pub refused: &'static str,
    pub refused_count: fn(u64) -> String,
    pub strays: &'static str,
    pub strays_lead: fn(u64) -> String,
    pub probe: &'static str,
    pub probe_text: &'static str,
    pub nothing_comes: &'static str,
    pub nothing_comes_lead: &'static str,
    pub reasons: &'static [&'static str],
}

/// A field of a console.
#[derive(Debug)]
pub struct Field {
    pub label: &'static str,
    pub value: Value,
    pub why: &'static str,
}

/// What to enter or choose.
#[derive(Debug)]
pub enum Value {
    /// As it is.
    Copied(&'static str),
    /// Said in words: a switch, or nothing.
    Chosen(&'static str),
    /// The address of a source.
    Endpoint,
}

/// Names that we propose; any others do.
const TOPIC: Value = Value::Copied("mps-events");
const SUBSCRIPTION: Value = Value::Copied("mpsink");

/// The longest that a topic can be told to take.
const LENGTH: Value = Value::Copied("65536");

impl ConnectTexts {
    pub const ENGLISH: ConnectTexts = ConnectTexts {
        title: "Connect",
        lead: "What to enter in the consoles of SMQ and MPS, and below it whether it works yet.",
        endpoint: "Receiver endpoint",
        endpoint_secret: "The last part of its path is a secret between you and SMQ: paste it, and \
                          share it with nobody else.",
        no_public_url: "receiver.public_url is not set, so this is an address that only this machine \
                        or its network knows. SMQ pushes from the internet, and takes no address of \
                        an intranet: set public_url to the one under which the internet reaches this \
                        receiver. The path has to arrive here unchanged.",
        plain_http: "receiver.public_url is plain http: whoever is on the way can read the pushes and \
                     the secret path. Put TLS in front, and set public_url to its https address.",
        trusts_test_key: "This server trusts only pushes that are signed with the test key, and \
                          refuses those of SMQ. Send one from the same folder:",
        trusts_test_key_then: "For real pushes start mpsink serve without --try; it has a database \
                               and an endpoint of its own, which this page then shows.",
        enter: "What to enter",
        field_head: "Field",
        value_head: "Value",
        why_head: "Why",
        topic: "1. A topic in the SMQ console",
        topic_lead: "In the region of your MPS queue or workflow. One topic can serve several.",
        topic_fields: &[
            Field {
                label: "Name",
                value: TOPIC,
                why: "Any name does; this is one to start with.",
            },
            Field {
                label: "Maximum Message Length",
                value: LENGTH,
                why: "The most there is. What is longer than the limit is not published, and a \
                      workflow’s report can be long.",
            },
            Field {
                label: "Enable Logging Feature",
                value: Value::Chosen("on"),
                why: "SMQ then logs each push with its NotifyStatus: the first thing to look at when \
                      nothing comes.",
            },
        ],
        subscription: "2. A subscription to that topic",
        subscription_lead: "Create Subscription on the topic’s page in the SMQ console.",
        subscription_fields: &[
            Field {
                label: "Name",
                value: SUBSCRIPTION,
                why: "Any name does.",
            },
            Field {
                label: "Push Type",
                value: Value::Copied("HTTP"),
                why: "Also where the endpoint is https.",
            },
            Field {
                label: "Receiver Endpoint",
                value: Value::Endpoint,
                why: "Whole, with its path.",
            },
            Field {
                label: "Message Filtering Tag",
                value: Value::Chosen("leave empty"),
                why: "MPS sets no tag, so with a filter nothing would pass.",
            },
            Field {
                label: "Retry Policy",
                value: Value::Copied("EXPONENTIAL_DECAY_RETRY"),
                why: "Exponential Decay Retry tries 176 times over a day. The default, \
                      BACKOFF_RETRY, gives up after three tries, within a minute, and the message is \
                      gone. Some pages call it DECAY_RETRY.",
            },
            Field {
                label: "Message Push Format",
                value: Value::Copied("SIMPLIFIED"),
                why: "XML, JSON and SIMPLIFIED are all understood. We would take SIMPLIFIED: topic, \
                      owner and message id then stand in signed headers, and the message comes byte \
                      for byte as MPS wrote it.",
            },
        ],
        queue: "3a. Single jobs: bind the topic to the MPS queue",
        queue_lead: "In the MPS console, at the queue (the API calls it pipeline), as its \
                     notification.",
        queue_fields: &[
            Field {
                label: "Notification type",
                value: Value::Chosen("topic"),
                why: "An SMQ queue cannot push.",
            },
            Field {
                label: "Topic",
                value: TOPIC,
                why: "The topic of step 1, in the same region. Submit jobs with this queue’s \
                      PipelineId: the default queue has no binding.",
            },
        ],
        workflow: "3b. Workflows: set the topic on the Input node",
        workflow_lead: "In the MPS console, edit the workflow and open its Input node. Jobs inside a \
                        workflow ignore the binding of the queue.",
        workflow_fields: &[
            Field {
                label: "Message Type",
                value: Value::Chosen("topic"),
                why: "An SMQ queue cannot push.",
            },
            Field {
                label: "Topic",
                value: TOPIC,
                why: "The topic of step 1, in the same region. MPS then tells when Start and when \
                      Report have ended, with all activities.",
            },
        ],
        state: "Does it work?",
        details: "Details",
        progress: |progress| match progress {
            Progress::Waiting => "Waiting for the first push",
            Progress::Held => "Pushes are held",
            Progress::Refused => "Pushes are refused",
            Progress::Connected => "Connected",
        },
        progress_long: |progress| match progress {
            Progress::Waiting => {
                "Nothing has arrived at this endpoint yet. The SMQ console can publish a test message \
                 to the topic; it will come in as not understood, and that is enough."
            }
            Progress::Held => {
                "SMQ reaches this endpoint and its signature holds, but nothing has been let in yet: \
                 a person has to decide."
            }
            Progress::Refused => {
                "Something reaches this endpoint, but no signature held so far, so nothing is \
                 believed."
            }
            Progress::Connected => "Pushes come, their signature holds, and they are let in.",
        },
        source: "Source",
        first_push: "First push",
        newest_push: "Newest push",
        owners: "Topic owners let in",
        owners_none: "none yet: the owner of the first push that passes will be pinned",
        pinned: "pinned by its first push",
        by_person: "allowed by a person",
        by_configuration: "by configuration",
        verified: "verified",
        held: "Held, waiting for a person",
        held_count: |count| match count {
            1 => "1 push".to_owned(),
            _ => format!("{} pushes", grouped(count)),
        },
        look: "Look at it",
        refused: "Refused",
        refused_count: |count| match count {
            1 => "1 push, last".to_owned(),
            _ => format!("{} pushes, last", grouped(count)),
        },
        strays: "SMQ pushes to an address that is not ours",
        strays_lead: |count| {
            let pushes = match count {
                1 => "1 push has".to_owned(),
                _ => format!("{} pushes have", grouped(count)),
            };
            format!(
                "{pushes} come to another path than the one above. Compare the endpoint of the \
                 subscription with it, and look whether a proxy changes the path. The latest:"
            )
        },
        probe: "Is the way open?",
        probe_text: "From any machine that has mpsink, send a probe. It is signed with a test key \
                     that this server does not trust, so it has to be refused; that shows that path, \
                     proxy and TLS are right. It is counted nowhere on this page.",
        nothing_comes: "If nothing comes",
        nothing_comes_lead: "The topic’s log says whether SMQ pushed, and with what result. Where it \
                             has no push at all, one of these is the reason:",
        reasons: &[
            "The queue, or the workflow’s Input node, has no topic bound.",
            "The job was submitted without a PipelineId: the default queue has no binding.",
            "It is a job of a workflow, and the topic is bound to the queue only: workflows ignore \
             that.",
            "The message is longer than the topic’s Maximum Message Length: leave it at 65,536.",
            "The role of MPS may not publish to SMQ.",
            "The topic is in another region than the job.",
            "The job is synchronous: its result is in the answer to the call, and nothing is sent.",
            "The subscription has a filter tag: MPS sets none, so nothing passes.",
            "The retries ran out while this endpoint could not be reached: the default gives up \
             within a minute.",
        ],
    };

    pub const CHINESE: ConnectTexts = ConnectTexts {
        title: "接入",
        lead: "在 SMQ 和 MPS 控制台要填写的内容，以及目前是否已经接通。",
        endpoint: "接收端地址",
        endpoint_secret: "路径的最后一段是您与 SMQ 之间的秘密：粘贴到控制台即可，请勿告诉他人。",
        no_public_url: "尚未设置 receiver.public_url，所以这里显示的地址只有本机或内网认识。SMQ 从公网推送，\
                        不支持内网地址：请把 public_url 设为公网能访问本接收端的地址，路径须原样到达这里。",
        plain_http: "receiver.public_url 是明文 http：途中的任何人都能看到推送内容和秘密路径。\
                     请在前面启用 TLS，并把 public_url 改为 https 地址。",
        trusts_test_key: "本服务器只信任用测试密钥签名的推送，会拒绝 SMQ 的推送。请在同一目录下发送一条：",
        trusts_test_key_then: "要接收真实推送，请不带 --try 启动 mpsink serve；它使用另一个数据库和另一个接收端地址，\
                               届时会显示在本页。",
        enter: "填写内容",
        field_head: "字段",
        value_head: "取值",
        why_head: "原因",
        topic: "1. 在 SMQ 控制台创建主题",
        topic_lead: "与 MPS 管道或工作流在同一地域。一个主题可供多个管道和工作流使用。",
        topic_fields: &[
            Field {
                label: "名称",
                value: TOPIC,
                why: "任何名称都可以，这是一个建议。",
            },
            Field {
                label: "消息最大长度",
                value: LENGTH,
                why: "这是最大值。超过上限的消息不会发布，而工作流的报告可能很长。",
            },
            Field {
                label: "启用日志功能",
                value: Value::Chosen("开启"),
                why: "SMQ 会记录每次推送及其 NotifyStatus；收不到推送时首先看这里。",
            },
        ],
        subscription: "2. 为该主题创建订阅",
        subscription_lead: "在 SMQ 控制台的主题详情页面单击创建订阅。",
        subscription_fields: &[
            Field {
                label: "名称",
                value: SUBSCRIPTION,
                why: "任何名称都可以。",
            },
            Field {
                label: "推送类型",
                value: Value::Copied("HTTP"),
                why: "接收端地址是 https 时也选它。",
            },
            Field {
                label: "接收端地址",
                value: Value::Endpoint,
                why: "完整填写，包括路径。",
            },
            Field {
                label: "消息过滤标签",
                value: Value::Chosen("留空"),
                why: "MPS 不带标签，设置过滤后什么也收不到。",
            },
            Field {
                label: "重试策略",
                value: Value::Copied("EXPONENTIAL_DECAY_RETRY"),
                why: "指数衰减重试会在一天内重试 176 次。默认的退避重试（BACKOFF_RETRY）在一分钟内重试三次后就放弃，\
                      消息随之丢失。有的页面称它为 DECAY_RETRY。",
            },
            Field {
                label: "消息推送格式",
                value: Value::Copied("SIMPLIFIED"),
                why: "XML、JSON 和 SIMPLIFIED 都能识别。我们建议 SIMPLIFIED：主题、主题所有者和消息 ID 都在已签名的请求头中，\
                      消息与 MPS 所写的逐字节相同。",
            },
        ],
        queue: "3a. 单独的作业：为 MPS 管道绑定主题",
        queue_lead: "在 MPS 控制台的管道（API 中称 pipeline）上设置消息通知。",
        queue_fields: &[
            Field {
                label: "通知类型",
                value: Value::Chosen("主题"),
                why: "SMQ 队列不能推送。",
            },
            Field {
                label: "主题",
                value: TOPIC,
                why: "第 1 步的主题，须在同一地域。提交作业时请带上该管道的 PipelineId：默认管道没有绑定。",
            },
        ],
        workflow: "3b. 工作流：在输入节点设置主题",
        workflow_lead: "在 MPS 控制台编辑工作流，打开输入节点。工作流中的作业不使用管道的绑定。",
        workflow_fields: &[
            Field {
                label: "消息类型",
                value: Value::Chosen("主题"),
                why: "SMQ 队列不能推送。",
            },
            Field {
                label: "主题",
                value: TOPIC,
                why: "第 1 步的主题，须在同一地域。MPS 会在 Start 和 Report 结束时通知，并附上所有活动。",
            },
        ],
        state: "接通了吗？",
        details: "详情",
        progress: |progress| match progress {
            Progress::Waiting => "等待首次推送",
            Progress::Held => "推送待审",
            Progress::Refused => "推送被拒绝",
            Progress::Connected => "已接通",
        },
        progress_long: |progress| match progress {
            Progress::Waiting => {
                "此接收端地址还没有收到任何推送。可以在 SMQ 控制台向主题发布一条测试消息：\
                 它会显示为无法识别，但足以说明已接通。"
            }
            Progress::Held => {
                "SMQ 能到达此接收端地址，签名也成立，但还没有接收任何一条：需要人工决定。"
            }
            Progress::Refused => {
                "有请求到达此接收端地址，但至今没有一个签名成立，所以一概不予采信。"
            }
            Progress::Connected => "推送正常到达，签名成立，并已接收。",
        },
        source: "来源",
        first_push: "首次推送",
        newest_push: "最新推送",
        owners: "已允许的主题所有者",
        owners_none: "还没有：首个通过检查的推送，其所有者将被固定",
        pinned: "由首次推送固定",
        by_person: "由人工允许",
        by_configuration: "由配置允许",
        verified: "签名成立",
        held: "待审，等待人工处理",
        held_count: |count| format!("{} 条推送", grouped(count)),
        look: "查看",
        refused: "已拒绝",
        refused_count: |count| format!("{} 条推送，最近一次", grouped(count)),
        strays: "SMQ 推送到了不属于本服务的地址",
        strays_lead: |count| {
            format!(
                "有 {} 条推送发往与上面不同的路径。请核对订阅的接收端地址，并检查代理是否改写了路径。最近的有：",
                grouped(count)
            )
        },
        probe: "通路正常吗？",
        probe_text: "在任何装有 mpsink 的机器上发送一次探测。它用本服务器不信任的测试密钥签名，所以必定被拒绝；\
                     被拒绝就说明路径、代理和 TLS 都正确。本页的任何数字都不计入探测。",
        nothing_comes: "如果什么也收不到",
        nothing_comes_lead: "主题的日志会说明 SMQ 是否推送过、结果如何。如果其中没有推送记录，原因是以下之一：",
        reasons: &[
            "管道或工作流的输入节点没有绑定主题。",
            "提交作业时没有带 PipelineId：默认管道没有绑定。",
            "这是工作流中的作业，而主题只绑定在管道上：工作流不使用该绑定。",
            "消息超过了主题的消息最大长度：请保持 65,536。",
            "MPS 的角色没有向 SMQ 发布消息的权限。",
            "主题与作业不在同一地域。",
            "作业是同步的：结果在调用的返回中，不会发送通知。",
            "订阅设置了过滤标签：MPS 不带标签，所以什么也通不过。",
            "接收端无法访问期间重试次数用尽：默认策略一分钟内就放弃。",
        ],
    };
}
