//! What went wrong, for people and for programs.
//!
//! Programs are always told in English. What is exhaustive here is so on purpose: an error without
//! a sentence in both languages does not compile. What the receiver answers a sender stands with
//! its reasons, since it is part of what SMQ shows.

use crate::ingest::decide::Allowable;
use crate::web::access::Ways;
use crate::web::error::{PageError, What};
use crate::web::lists::{Choice, Expected, QueryError};

/// The pages of errors.
#[derive(Debug)]
pub struct TroubleTexts {
    /// Without values.
    pub title: fn(&PageError) -> &'static str,
    /// One or more whole sentences.
    pub detail: fn(&PageError) -> String,
    /// Behind the detail of what is not there: history is kept for so long.
    pub forgotten: fn(&str) -> String,
    pub status: fn(u16) -> String,
    pub to_overview: &'static str,
    pub to_list: &'static str,
}

impl TroubleTexts {
    pub const ENGLISH: TroubleTexts = TroubleTexts {
        title: english_title,
        detail: english_detail,
        forgotten: |kept_for| {
            format!(
                " Or it is older than {kept_for} and has been forgotten: retention.history in the \
                 configuration."
            )
        },
        status: |status| format!("Status {status}."),
        to_overview: "To the overview",
        to_list: "Show the list without filters",
    };

    pub const CHINESE: TroubleTexts = TroubleTexts {
        title: chinese_title,
        detail: chinese_detail,
        forgotten: |kept_for| {
            format!("也可能已超过 {kept_for} 而被清除：见配置中的 retention.history。")
        },
        status: |status| format!("状态码 {status}。"),
        to_overview: "回到总览",
        to_list: "显示不带筛选条件的列表",
    };
}

/// The most characters of an id from an address that are repeated.
const ID_CHARS_MAX: usize = 80;

fn shortened(id: &str) -> String {
    id.chars().take(ID_CHARS_MAX).collect()
}

fn english_title(error: &PageError) -> &'static str {
    match error {
        PageError::NoSuchPage => "No such page",
        PageError::NotFound { .. } => "Not found",
        PageError::MessageEmptied => "Not kept any more",
        PageError::MethodNotAllowed { .. } => "Wrong method",
        PageError::BadQuery(_) => "The address has a parameter that is not right",
        PageError::Ambiguous { .. } => "Several accounts have this id",
        PageError::NotLocal => "Only from this machine",
        PageError::CrossSite => "Not from this page",
        PageError::WrongKey => "Wrong key",
        PageError::LoginNeeded { .. } => "Who is asking?",
        PageError::WrongLogin { .. } => "Wrong login",
        PageError::TooManyLogins => "Too many logins at once",
        PageError::OutsideBasePath { .. } => "Not at this address",
        PageError::NothingToAllow { .. } => "Nothing to allow",
        PageError::RebuildUnderWay => "Under way already",
        PageError::TooManyListeners => "Too many are waiting",
        PageError::TooManyExports => "Too many downloads at once",
        PageError::Busy => "Busy",
        PageError::DiskFull => "The disk is full",
        PageError::Unavailable { .. } => "Not available",
    }
}

fn chinese_title(error: &PageError) -> &'static str {
    match error {
        PageError::NoSuchPage => "没有这个页面",
        PageError::NotFound { .. } => "未找到",
        PageError::MessageEmptied => "已不再保存",
        PageError::MethodNotAllowed { .. } => "请求方法不对",
        PageError::BadQuery(_) => "网址中有参数不正确",
        PageError::Ambiguous { .. } => "多个账号有相同的 ID",
        PageError::NotLocal => "只允许从本机访问",
        PageError::CrossSite => "请求不是来自本站页面",
        PageError::WrongKey => "密钥不正确",
        PageError::LoginNeeded { .. } => "请先登录",
        PageError::WrongLogin { .. } => "登录信息不正确",
        PageError::TooManyLogins => "同时登录过多",
        PageError::OutsideBasePath { .. } => "地址不对",
        PageError::NothingToAllow { .. } => "没有可以允许的对象",
        PageError::RebuildUnderWay => "已在进行中",
        PageError::TooManyListeners => "等待者过多",
        PageError::TooManyExports => "同时下载过多",
        PageError::Busy => "忙碌",
        PageError::DiskFull => "磁盘已满",
        PageError::Unavailable { .. } => "暂不可用",
    }
}

fn english_ambiguous(owners: &str) -> String {
    format!("Ids are unique only within an account. Add ?owner= with one of: {owners}.")
}

fn english_nothing_to_allow(what: &str) -> String {
    format!("This held push names no {what} that could be allowed; admit it alone.")
}

fn english_detail(error: &PageError) -> String {
    let sentence = match error {
        PageError::NotFound { what, id } => {
            let (word, why) = (what.word(), english_why_not_there(*what));
            return format!("There is no {word} `{}`. {why}", shortened(id));
        }
        PageError::MethodNotAllowed { allow } => {
            return format!("This address answers only {allow}.");
        }
        PageError::BadQuery(error) => return english_query(error),
        PageError::Ambiguous { owners, .. } => {
            return english_ambiguous(&owners.join(", "));
        }
        PageError::NothingToAllow { what } => return english_nothing_to_allow(what.word()),
        PageError::LoginNeeded { ways } => return english_ways(*ways).to_owned(),
        PageError::WrongLogin { ways } => return english_wrong_login(*ways),
        PageError::OutsideBasePath { base } => return english_outside(base),
        PageError::TooManyLogins => {
            "As many logins are being checked as this server does at once. Try again in some seconds."
        }
        PageError::NoSuchPage => {
            "There is nothing at this address. The pages are listed at the top; a detail's \
             address ends in its id."
        }
        PageError::NotLocal => {
            "No login is configured, so the dashboard answers only requests made directly to \
             localhost, 127.0.0.1 or [::1], and none that a proxy passed on. From another \
             machine, use a tunnel: ssh -L 8081:127.0.0.1:8081 and the server's name, then \
             open http://127.0.0.1:8081/. For a proxy, give dashboard.users or dashboard.tokens; \
             `mpsink config hash-password` and `mpsink config new-token` make them."
        }
        PageError::CrossSite => {
            "Changes are taken only from the buttons of these pages. Open the page again and \
             use its button; a browser from before 2023 may not say where it comes from."
        }
        PageError::WrongKey => {
            "The key is not that of this server. Each start makes a new one, which the lock \
             file beside the database holds."
        }
        PageError::MessageEmptied => {
            "The push was emptied when it became as old as retention.messages in the configuration \
             says. What was read from it is kept."
        }
        PageError::RebuildUnderWay => {
            "A rebuild is under way, and there is only one at a time. Wait for its end, then \
             ask again if you still need to."
        }
        PageError::TooManyListeners => {
            "As many pages are kept up to date, or wait for the end of a job, as this server does \
             at once. Try again in some seconds."
        }
        PageError::TooManyExports => {
            "Other downloads of lists are under way, as many as there may be at once. Try again \
             when one has ended."
        }
        PageError::Busy => {
            "The store has more to do than it can at the moment. Try again in some seconds."
        }
        PageError::DiskFull => {
            "Nothing was changed. Make room on the disk of the database and try again."
        }
        PageError::Unavailable { .. } => {
            "The store cannot answer at the moment. The server's log says why."
        }
    };
    sentence.to_owned()
}

fn chinese_detail(error: &PageError) -> String {
    let sentence = match error {
        PageError::NotFound { what, id } => {
            let (word, why) = (chinese_what(*what), chinese_why_not_there(*what));
            return format!("没有{word} `{}`。{why}", shortened(id));
        }
        PageError::MethodNotAllowed { allow } => {
            return format!("此地址只接受 {allow} 请求。");
        }
        PageError::BadQuery(error) => return chinese_query(error),
        PageError::Ambiguous { owners, .. } => {
            let owners = owners.join("、");
            return format!("ID 只在一个账号内唯一。请加上 ?owner=，其值为以下之一：{owners}。");
        }
        PageError::NothingToAllow { what } => {
            let what = match what {
                Allowable::Owner => "主题所有者",
                Allowable::Topic => "主题",
            };
            return format!("这条待审推送没有给出可以允许的{what}，只能单独放行它。");
        }
        PageError::LoginNeeded { ways } => return chinese_ways(*ways).to_owned(),
        PageError::WrongLogin { ways } => {
            let how = chinese_ways(*ways);
            return format!("用户名、密码或令牌不正确。{how}");
        }
        PageError::OutsideBasePath { base } => {
            return format!(
                "按 dashboard.base_path 的设置，所有页面都在 {base}/ 之下，总览在 \
                 {base}/。前面的代理必须原样传递路径。"
            );
        }
        PageError::TooManyLogins => "正在验证的登录已达上限，可能有人在试密码。请几秒后重试。",
        PageError::NoSuchPage => {
            "此地址上没有内容。页面顶部列有全部页面；详情页的地址以其 ID 结尾。"
        }
        PageError::NotLocal => {
            "没有配置登录，因此控制台只回应直接发给 localhost、127.0.0.1 或 [::1] \
             的请求，不回应经代理转发的请求。从其他机器访问请使用隧道：ssh -L \
             8081:127.0.0.1:8081 加服务器名，然后打开 \
             http://127.0.0.1:8081/。如要经代理访问，请设置 dashboard.users 或 \
             dashboard.tokens，可用 mpsink config hash-password 和 mpsink config new-token 生成。"
        }
        PageError::CrossSite => {
            "只有本站页面上的按钮才能做更改。请重新打开页面并使用其中的按钮；2023 \
             年以前的浏览器可能不说明请求的来源。"
        }
        PageError::WrongKey => {
            "密钥不是本服务器的。每次启动都会生成新密钥，保存在数据库旁的锁文件中。"
        }
        PageError::MessageEmptied => {
            "该推送的内容已按配置中的 retention.messages 到期清空；从中读出的内容仍保留。"
        }
        PageError::RebuildUnderWay => {
            "重建正在进行，同一时间只能有一个。请等它结束，如仍需要再重新发起。"
        }
        PageError::TooManyListeners => {
            "同时实时更新的页面或等待作业结束的请求已达上限，请几秒后重试。"
        }
        PageError::TooManyExports => "正在进行的列表下载已达上限。请等其中一个结束后重试。",
        PageError::Busy => "存储此刻过于繁忙，请几秒后重试。",
        PageError::DiskFull => "未做任何更改。请为数据库所在磁盘腾出空间后重试。",
        PageError::Unavailable { .. } => "存储暂时无法应答，原因见服务器日志。",
    };
    sentence.to_owned()
}

fn english_wrong_login(ways: Ways) -> String {
    let how = english_ways(ways);
    format!("The name, the password or the token is not right. {how}")
}

fn english_outside(base: &str) -> String {
    format!(
        "Everything here is below {base}/, as dashboard.base_path says: the overview is at {base}/. \
         A proxy in front must pass the path on as it is."
    )
}

fn english_ways(ways: Ways) -> &'static str {
    match (ways.is_by_password, ways.is_by_token) {
        (true, true) => {
            "Log in with your name and password, or send a token as `Authorization: Bearer`. \
             dashboard.users and dashboard.tokens say who may."
        }
        (true, false) => "Log in with your name and password. dashboard.users says who may.",
        (false, _) => {
            "Send a token as `Authorization: Bearer`. For people with a browser, give \
             dashboard.users a name and the hash that `mpsink config hash-password` makes."
        }
    }
}

fn chinese_ways(ways: Ways) -> &'static str {
    match (ways.is_by_password, ways.is_by_token) {
        (true, true) => {
            "请用用户名和密码登录，或以 Authorization: Bearer 发送令牌。由 dashboard.users 和 \
             dashboard.tokens 决定谁可以登录。"
        }
        (true, false) => "请用用户名和密码登录。由 dashboard.users 决定谁可以登录。",
        (false, _) => {
            "请以 Authorization: Bearer 发送令牌。如要用浏览器登录，请在 dashboard.users \
             中设置用户名和由 mpsink config hash-password 生成的散列值。"
        }
    }
}

fn chinese_what(what: What) -> &'static str {
    match what {
        What::Job => "作业",
        What::Run => "执行实例",
        What::Delivery => "投递",
        What::Held => "待审推送",
        What::Refusal => "被拒绝的推送",
        What::Queue => "管道",
        What::Workflow => "工作流",
    }
}

fn english_why_not_there(what: What) -> &'static str {
    match what {
        What::Job => {
            "Either the id is not complete, or no message about this job was let in: MPS tells \
             of a job only when it ends, and only if its queue has a topic. Look also among \
             the held pushes, and at the job's own id: a run has another one."
        }
        What::Run => {
            "Either the id is not complete, or no message about this run was let in: MPS tells \
             of a run when its Start and its Report end, and only if the Input node of its \
             workflow has a topic. Look also among the held pushes, and at the run's \
             own id: its workflow, its media and each of its jobs have other ones."
        }
        What::Delivery => {
            "No push has this number. It may belong to another database, such as the one of \
             `serve --try`."
        }
        What::Held => {
            "Somebody has admitted or dropped it, or allowed its owner or topic; what was let \
             in is now among the deliveries."
        }
        What::Refusal => {
            "Of refused pushes only the first and the latest of each reason are kept; this one \
             has made room for a newer one, or was never there."
        }
        What::Queue => {
            "Either the name is not complete, or no job of this queue was let in. A job's queue \
             is the pipeline id in its message, else what the source or a [[queue]] entry says, \
             else its topic; a rebuild after a change of the configuration moves jobs. Jobs of \
             workflow runs belong to their workflow and to no queue."
        }
        What::Workflow => {
            "Either the id is not complete, or no run of this workflow was let in: a workflow \
             is asked for by its id, not by its name. MPS tells of runs only if the Input node \
             of the workflow has a topic."
        }
    }
}

fn chinese_why_not_there(what: What) -> &'static str {
    match what {
        What::Job => {
            "可能是 ID 不完整，也可能是没有接收到关于该作业的消息：MPS \
             只在作业结束时通知，而且其管道须绑定主题。也请查看待审推送，并确认这是作业本身的 \
             ID：执行实例的 ID 与之不同。"
        }
        What::Run => {
            "可能是 ID 不完整，也可能是没有接收到关于该执行实例的消息：MPS 在其 Start 和 Report \
             结束时通知，而且工作流的输入节点须设置主题。也请查看待审推送，并确认这是执行实例本身的 \
             ID：工作流、媒体和各个作业的 ID 都与之不同。"
        }
        What::Delivery => {
            "没有这个编号的推送。它可能属于另一个数据库，例如 `serve --try` 的数据库。"
        }
        What::Held => {
            "它已被放行或丢弃，或者其主题所有者或主题已被允许；已放行的推送现在列在投递中。"
        }
        What::Refusal => {
            "被拒绝的推送中，每种原因只保留最早的和最近的几条；这一条已让位于更新的推送，\
             或者从未存在。"
        }
        What::Queue => {
            "可能是名称不完整，也可能是没有接收到该管道的作业。作业所属管道依次取自：消息中的管道 \
             ID、来源配置或 [[queue]] 条目、主题；更改配置后重建会移动作业。工作流中的作业属于其工作流，\
             不属于任何管道。"
        }
        What::Workflow => {
            "可能是 ID 不完整，也可能是没有接收到该工作流的执行实例：查找工作流要用 ID，而不是名称。\
             工作流的输入节点设置了主题，MPS 才会通知执行实例。"
        }
    }
}

fn english_query(error: &QueryError) -> String {
    match error {
        QueryError::Unreadable => "The part behind the ? cannot be read.".to_owned(),
        QueryError::Unknown { name, known: [] } => {
            format!("There is no parameter `{name}`; this address takes none.")
        }
        QueryError::Unknown { name, known } => format!(
            "There is no parameter `{name}` here. Known are: {}.",
            known.join(", ")
        ),
        QueryError::Repeated { name } => format!("The parameter `{name}` may come only once."),
        QueryError::Bad {
            name,
            found,
            expected,
        } => {
            let expected = english_expected(*expected);
            format!("`{found}` is no value for `{name}`. Expected is {expected}.")
        }
    }
}

fn chinese_query(error: &QueryError) -> String {
    match error {
        QueryError::Unreadable => "无法读取网址中 ? 之后的部分。".to_owned(),
        QueryError::Unknown { name, known: [] } => {
            format!("没有参数 `{name}`；此地址不接受任何参数。")
        }
        QueryError::Unknown { name, known } => {
            format!("此处没有参数 `{name}`。可用的参数：{}。", known.join("、"))
        }
        QueryError::Repeated { name } => format!("参数 `{name}` 只能出现一次。"),
        QueryError::Bad {
            name,
            found,
            expected,
        } => {
            let expected = chinese_expected(*expected);
            format!("`{found}` 不是参数 `{name}` 的有效值。应为{expected}。")
        }
    }
}

fn english_expected(expected: Expected) -> String {
    let text = match expected {
        Expected::Refresh => "a whole number of seconds from 5 to 3600",
        Expected::Wait => "a whole number of seconds from 1 to 60",
        Expected::Limit => "a whole number from 1 to 1000",
        Expected::LimitOfPage => {
            "a whole number from 1 to 250: a page has no more rows, its JSON up to 1000"
        }
        Expected::Cursor => "the `next` or `previous` of a page of this list, unchanged",
        Expected::RowNumber => "a whole number: `next` in the last line of an earlier export",
        Expected::Time => {
            "a time such as 2024-05-06T08:00:00Z (in an address, write + as %2B), or 30m, 24h, 7d \
             or 2w back from now"
        }
        Expected::To => "a time after `from`",
        Expected::Window => "1h, 6h, 24h, 7d or 30d",
        Expected::WindowAlone => "left out where `from` or `to` is given",
        Expected::WindowFrom => "a time before now, or before `to`",
        Expected::Kept => {
            "a time such as 90d or 1y, at least 1d for messages and 7d for history, or forever"
        }
        Expected::OneOf(choice) => return words_text(choice, " or ", ", "),
    };
    text.to_owned()
}

fn chinese_expected(expected: Expected) -> String {
    let text = match expected {
        Expected::Refresh => " 5 到 3600 的整数秒",
        Expected::Wait => " 1 到 60 的整数秒",
        Expected::Limit => " 1 到 1000 的整数",
        Expected::LimitOfPage => " 1 到 250 的整数：页面最多显示 250 行，JSON 最多 1000 行",
        Expected::Cursor => "本列表某一页的 next 或 previous，且未经改动",
        Expected::RowNumber => "整数，即先前某次导出末行中的 next",
        Expected::Time => {
            "时间，例如 2024-05-06T08:00:00Z（网址中的 + 写作 %2B），或从现在往前的 30m、24h、7d、2w"
        }
        Expected::To => "晚于 from 的时间",
        Expected::Window => " 1h、6h、24h、7d 或 30d",
        Expected::WindowAlone => "空：已给出 from 或 to 时不能再写",
        Expected::WindowFrom => "早于现在（或早于 to）的时间",
        Expected::Kept => " 90d、1y 之类的时长（消息至少 1d，历史至少 7d）或 forever",
        Expected::OneOf(choice) => return format!(" {}", words_text(choice, " 或 ", "、")),
    };
    text.to_owned()
}

/// Puts words in a row: `a, b or c`.
fn words_text(choice: Choice, last: &str, between: &str) -> String {
    match choice.words().split_last() {
        Some((end, [])) => (*end).to_owned(),
        Some((end, rest)) => format!("{}{last}{end}", rest.join(between)),
        None => String::new(),
    }
}
