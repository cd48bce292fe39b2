//! The Chinese sentences of findings; see `operations.rs`.

use crate::doctor::{Finding, Line, Reach, Seen, SourceFacts, UrlKind, Verdict};
use crate::notification::source::RetryPolicy;
use crate::store::file_system::Nature;
use crate::store::integrity::Integrity;
use crate::store::lifetimes::Ending;
use crate::web::texts::operations::{Moment, size};
use crate::web::texts::words::{WordTexts, grouped};

pub(super) fn line(line: Line) -> &'static str {
    match line {
        Line::Server => "服务",
        Line::Receiver => "接收端",
        Line::Dashboard => "控制台",
        Line::PublicUrl => "公网地址",
        Line::Source => "来源",
        Line::Certificate => "证书",
        Line::Clock => "时钟",
        Line::Retries => "重试",
        Line::Downtime => "停机",
        Line::Lag => "延迟",
        Line::Rows => "消息",
        Line::Disk => "磁盘",
        Line::FileSystem => "文件系统",
        Line::Sync => "落盘",
        Line::Log => "日志文件",
        Line::Sqlite => "SQLite",
        Line::Integrity => "完好性",
    }
}

fn duration(ms: i64) -> String {
    (WordTexts::CHINESE.duration)(ms.unsigned_abs())
}

fn reach(reach: Reach) -> &'static str {
    match reach {
        Reach::ThisMachine => "仅本机可访问",
        Reach::OneAddress => "能访问该地址者均可访问",
        Reach::EveryAddress => "能访问本机任一地址者均可访问",
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each thing that is said")]
pub(super) fn seen(seen: &Seen, moment: Moment<'_>) -> String {
    match seen {
        Seen::ServerRuns { pid, since } => match since {
            Some(since) => format!("进程 {pid} 自 {} 起接收推送。", moment(*since)),
            None => format!("进程 {pid} 正在接收推送。"),
        },
        Seen::WriterStuck => "写入线程停在一次提交上已达数秒，推送得不到应答。".to_owned(),
        Seen::WriterFailing { cause } => format!("提交一直失败，无法接收推送：{cause}。"),
        Seen::WriterEnded { fault: Some(fault) } => format!("写入线程已结束：{fault}。"),
        Seen::WriterEnded { fault: None } => "服务正在停止。".to_owned(),
        Seen::NoServer => "没有服务在使用该数据库。".to_owned(),
        Seen::ServerSilent { pid } => format!("进程 {pid} 占用数据库，但没有应答。"),
        Seen::Receiver {
            address,
            reach: who,
        } => {
            format!("在 {address} 接收推送，{}。", reach(*who))
        }
        Seen::Dashboard {
            address,
            reach: who,
            has_login,
        } => {
            let login = if *has_login {
                "需登录"
            } else {
                "无需登录"
            };
            format!("控制台监听 {address}，{login}，{}。", reach(*who))
        }
        Seen::PublicUrl { url, kind } => match kind {
            UrlKind::Https => format!("SMQ 推送到 {url}。"),
            UrlKind::Plain => format!("SMQ 推送到 {url}，途中任何人都能读取。"),
            UrlKind::Private => format!("SMQ 无法访问 {url}。"),
        },
        Seen::NoPublicUrl => "未配置公网地址。".to_owned(),
        Seen::Source(source) => self::source(source),
        Seen::Certificate {
            key_bits,
            not_after,
            is_expired,
            host,
            fetched_at,
            has_verified,
            ..
        } => {
            let end = match (not_after, is_expired) {
                (None, _) => String::new(),
                (Some(end), true) => format!("，已于 {} 过期", moment(*end)),
                (Some(end), false) => format!("，有效期至 {}", moment(*end)),
            };
            let used = if *has_verified {
                "已验证过推送"
            } else {
                "尚未验证过推送"
            };
            format!(
                "{key_bits} 位，来自 {host}{end}，获取于 {}，{used}。SMQ 为所有账号签名且密钥很短，\
                 真正阻挡他人的是保密路径和固定的所有者。",
                moment(*fetched_at)
            )
        }
        Seen::NoCertificate => "尚未获取证书。".to_owned(),
        Seen::Clock { off_ms, at } => {
            let (at, by) = (moment(*at), duration(*off_ms));
            if *off_ms < 0 {
                format!("{at} 的推送比其 Date 早到 {by}：本机时钟慢于 SMQ。")
            } else {
                format!("{at} 的推送在其 Date 之后 {by}到达（本机时钟与 SMQ 时钟之差）。")
            }
        }
        Seen::NoPushClock => "尚无推送可用于核对时间。".to_owned(),
        Seen::RetriesSet { policy } => {
            let word = policy.word().unwrap_or_default();
            let how_long = match policy {
                RetryPolicy::ExponentialDecay => "一天",
                RetryPolicy::Backoff | RetryPolicy::Unknown => "约 30 秒",
            };
            format!("按配置，SMQ 对推送重试{how_long}（{word}）。")
        }
        Seen::RetriesSeem { late_ms } => format!(
            "停机之后有推送迟到最多 {}，看来 SMQ 会持续重试一天（EXPONENTIAL_DECAY_RETRY）。",
            duration(*late_ms)
        ),
        Seen::NoRetries => "此处无法得知订阅的重试策略。".to_owned(),
        Seen::Downtime {
            length_ms,
            from,
            ending,
            is_now,
            may_lose,
        } => {
            let cause = match ending {
                Ending::Stopped => "正常停止",
                Ending::Crashed => "被强制结束或断电",
            };
            let length = duration(*length_ms);
            let from = moment(*from);
            if *is_now {
                format!("自 {from} 起已有 {length} 无人接收推送：{cause}。")
            } else {
                let which = if *may_lose {
                    "可能丢失推送的停机中最长一次"
                } else {
                    "最近 30 天内最长一次"
                };
                format!("{which}为 {length}，始于 {from}：{cause}。")
            }
        }
        Seen::NoDowntime => "最近 30 天内没有。".to_owned(),
        Seen::NoLifetime => "尚无服务使用过该数据库。".to_owned(),
        Seen::Lag { p95_ms, pushes } => format!(
            "最近一天的 {} 次推送中，95 % 在 {}内到达。",
            grouped(*pushes),
            duration(*p95_ms)
        ),
        Seen::NoLag => "最近一天没有带发布时间的推送。".to_owned(),
        Seen::Rows {
            last_day,
            deliveries,
        } => format!(
            "最近一天收到 {} 条，共保存 {} 条。",
            grouped(*last_day),
            grouped(*deliveries)
        ),
        Seen::Disk {
            free,
            days,
            bytes_a_day,
        } => match days {
            Some(days) => format!(
                "剩余 {}；按最近一天的 {} 计算，可用 {} 天。",
                size(*free),
                size(*bytes_a_day),
                grouped(*days)
            ),
            None => format!("剩余 {}；收到的太少，无法估算可用多久。", size(*free)),
        },
        Seen::NoDisk => "系统没有给出剩余空间。".to_owned(),
        Seen::FileSystem { kind, nature } => match nature {
            Nature::Local => format!("{kind}，本地文件系统。"),
            Nature::Network => format!("{kind}，网络文件系统。"),
            Nature::Memory => format!("{kind}，位于内存，断电即失。"),
            Nature::Layered => format!("{kind}，属于容器，随容器一起消失。"),
        },
        Seen::NoFileSystem => "系统没有给出数据库所在的文件系统。".to_owned(),
        Seen::Sync { took } => format!("4 KiB 落盘用时 {:.1} 毫秒。", took.as_secs_f64() * 1e3),
        Seen::NoSync => "无法在数据库旁写文件来测量。".to_owned(),
        Seen::Log { bytes } => format!("预写日志为 {}。", size(*bytes)),
        Seen::Sqlite { version } => format!("版本 {version}。"),
        Seen::Integrity(Integrity::Whole { is_deep: true }) => {
            "已读取全部页面和索引：数据库完好。".to_owned()
        }
        Seen::Integrity(Integrity::Whole { is_deep: false }) => {
            "已读取全部页面：数据库完好。".to_owned()
        }
        Seen::Integrity(Integrity::Damaged { found }) => format!("数据库已损坏：{found}。"),
        Seen::Integrity(Integrity::Unfinished) => "限定时间内未发现问题，但没有检查完。".to_owned(),
        Seen::NoIntegrity => "此处不检查。".to_owned(),
    }
}

fn source(source: &SourceFacts) -> String {
    let SourceFacts {
        name,
        owners,
        pinned,
        allowed,
        topics,
        is_guessable,
    } = source;
    let mut parts = vec![match (owners.as_slice(), pinned) {
        ([], None) => "放行首次推送的所有者".to_owned(),
        ([], Some(pinned)) => format!("放行固定的所有者 {pinned}"),
        (owners, _) => format!("放行所有者 {}", owners.join("、")),
    }];
    if !allowed.is_empty() {
        parts.push(format!("以及人工放行的 {}", allowed.join("、")));
    }
    parts.push(match topics.as_slice() {
        [] => "主题不限".to_owned(),
        topics => format!("主题 {}", topics.join("、")),
    });
    let path = if *is_guessable {
        "路径可被猜到"
    } else {
        "路径保密"
    };
    format!("{name}：{}；{path}。", parts.join("，"))
}

#[expect(clippy::too_many_lines, reason = "one arm for each thing that is said")]
pub(super) fn to_do(finding: &Finding) -> Option<&'static str> {
    if finding.verdict == Verdict::Fine {
        return None;
    }
    let advice = match &finding.seen {
        Seen::ServerRuns { .. } => return None,
        Seen::WriterStuck => "请检查磁盘；若持续如此，请停止服务。",
        Seen::WriterFailing { .. } => {
            "若磁盘已满，请腾出空间；若有其他程序正在写入数据库，请将其结束；否则请检查磁盘。"
        }
        Seen::WriterEnded { .. } => "请查看日志，然后重新启动服务。",
        Seen::NoServer => "请用 mpsink serve 启动；只有服务才知道的内容此处缺失。",
        Seen::ServerSilent { .. } => "请确认其是否卡住；若是，请重新启动。",
        Seen::Receiver { .. } => {
            "SMQ 无法访问：请修改 receiver.listen，或为前面的代理设置 receiver.public_url。"
        }
        Seen::Dashboard {
            has_login: true, ..
        } => "密码会以明文经过网络：请在前面放置带 TLS 的代理，并让控制台只监听 127.0.0.1。",
        Seen::Dashboard {
            has_login: false, ..
        } => "请配置用户或令牌，或让控制台只监听 127.0.0.1。",
        Seen::PublicUrl {
            kind: UrlKind::Private,
            ..
        } => "请把 receiver.public_url 设为公网可访问的地址。",
        Seen::PublicUrl { .. } => "请启用 TLS，并以 https 登记。",
        Seen::NoPublicUrl => {
            "请把 receiver.public_url 设为 SMQ 所见的地址；/connect 随后会显示应登记的内容。"
        }
        Seen::Source(_) => "请把无法猜到的路径放在来源的首位，并写明所有者。",
        Seen::Certificate { .. } => {
            "文档中的主机与此不同：请确认 verify.certificate_urls 只包含 SMQ 的主机。"
        }
        Seen::NoCertificate => {
            "启动时和首次推送时会获取。若一直没有，请让本机能访问 verify.certificate_urls 中的主机，\
             必要时设置 verify.proxy。"
        }
        Seen::Clock { .. } => "请校准时钟，并用 NTP 保持。",
        Seen::NoPushClock => "首次推送后可见。",
        Seen::RetriesSet { .. } | Seen::RetriesSeem { .. } => {
            "请在订阅上选择会重试一天的 EXPONENTIAL_DECAY_RETRY，并修改该来源的 retry_policy。"
        }
        Seen::NoRetries => {
            "请在订阅上选择 EXPONENTIAL_DECAY_RETRY：它会重试一天；默认策略只重试约 30 秒。SMQ 控制台会显示\
             订阅的重试策略；请将其写入 [[source]] 的 retry_policy，停机将据此判断。"
        }
        Seen::Downtime { .. } => {
            "SMQ 默认策略约 30 秒后放弃，EXPONENTIAL_DECAY_RETRY 一天后放弃：请在 /completeness 查看哪些\
             推送又来过。"
        }
        Seen::NoDowntime | Seen::NoLifetime => "服务运行过后可见。",
        Seen::Lag { .. } => "请在 /completeness 查看推送从何时起重复或迟到。",
        Seen::NoLag => "有推送后可见。",
        Seen::Rows { .. } => "请在 /connect 和 /completeness 查看是否本应有推送。",
        Seen::Disk { .. } => {
            "请腾出空间：磁盘写满后，每次推送都会得到 503，也无法清理历史。缩短 [retention] 可使数据库不再增长。"
        }
        Seen::NoDisk => "请自行查看。",
        Seen::FileSystem { .. } => {
            "请把数据库放在本地磁盘上（容器中放在其卷上），并用 mpsink backup 复制到别处。"
        }
        Seen::NoFileSystem => "请确认是本地磁盘。",
        Seen::Sync { .. } => "每次提交都要等待：请查看还有什么在写该磁盘，或换一块。",
        Seen::NoSync => "磁盘已满时请腾出空间；否则请确认运行者可在数据库所在目录写入。",
        Seen::Log { .. } => "有长时间的读取：备份、其他程序的导出或 Litestream。结束后会写回。",
        Seen::Sqlite { .. } => "该版本可能损坏日志：请用更新的版本构建。",
        Seen::Integrity(Integrity::Damaged { .. }) => {
            "请停止服务，检查磁盘，并用 mpsink restore 恢复备份。"
        }
        Seen::Integrity(_) => "mpsink doctor --deep 会检查到完成为止。",
        Seen::NoIntegrity => "由 mpsink doctor 检查。",
    };
    Some(advice)
}
