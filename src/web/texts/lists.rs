//! The lists: their heads, their filters, and what stands where there is no row.

use crate::notification::event::JobState;
use crate::store::lane_records::Counted;
use crate::store::records::RunOutcome;
use crate::web::cursors::List;
use crate::web::lists::Choice;
use crate::web::texts::Texts;
use crate::web::texts::words::grouped;

/// What the pages of lists say.
#[derive(Debug)]
pub struct ListTexts {
    pub jobs: OneList,
    pub runs: OneList,
    pub activities: OneList,
    pub events: OneList,
    pub deliveries: OneList,
    pub held: OneList,
    pub refusals: OneList,
    /// How many rows there are.
    pub counted: fn(List, Counted) -> String,
    pub names: FilterNames,
    pub filters: &'static str,
    pub set_filters: &'static str,
    pub any: &'static str,
    pub last_hour: &'static str,
    pub last_day: &'static str,
    pub last_week: &'static str,
    pub time: &'static str,
    pub more: &'static str,
    pub apply: &'static str,
    pub clear: &'static str,
    /// The link that drops a filter, for those who do not see where it stands.
    pub drop: &'static str,
    /// How to type times; the zone is the viewer's.
    pub times_hint: fn(&str) -> String,
    pub how_to_connect: &'static str,
    pub nothing_then: &'static str,
    pub newest_was: &'static str,
    pub nothing_matches: &'static str,
    pub drop_one: &'static str,
    pub without: &'static str,
    pub has_rows: &'static str,
    pub has_none: &'static str,
    pub none_so_far: &'static str,
    pub look_on: &'static str,
    pub none_here: &'static str,
    pub show_all: &'static str,
    pub only_unrecognized: &'static str,
    pub only_differs: &'static str,
    pub only_repeated: &'static str,
    pub downloads: DownloadTexts,
}

/// What the links to a list's files say.
#[derive(Debug)]
pub struct DownloadTexts {
    pub lead: &'static str,
    pub excel_csv: &'static str,
    /// What is different in it.
    pub excel_hint: &'static str,
    pub csv: &'static str,
    pub json_lines: &'static str,
}

/// What is said of one list alone.
#[derive(Debug)]
pub struct OneList {
    pub title: &'static str,
    /// What stands in it, where the title does not say it all; empty if it does.
    pub lead: &'static str,
    pub caption: &'static str,
    /// Nothing of its kind ever came.
    pub never: &'static str,
    /// That there is nothing may mean that nothing is connected yet.
    pub leads_to_connect: bool,
    /// What its find box finds; empty where it has none.
    pub find_hint: &'static str,
}

/// What the parameters of lists are called.
#[derive(Debug)]
pub struct FilterNames {
    pub queue: &'static str,
    pub region: &'static str,
    pub workflow: &'static str,
    pub run: &'static str,
    pub job_type: &'static str,
    pub state: &'static str,
    pub outcome: &'static str,
    pub code: &'static str,
    pub q: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    pub kind: &'static str,
    pub source: &'static str,
    pub topic: &'static str,
    pub format: &'static str,
    pub only: &'static str,
    pub reason: &'static str,
}

impl ListTexts {
    pub fn of(&self, list: List) -> &OneList {
        match list {
            List::Jobs => &self.jobs,
            List::Runs => &self.runs,
            List::Activities => &self.activities,
            List::Events => &self.events,
            List::Deliveries => &self.deliveries,
            List::Held => &self.held,
            List::Refusals => &self.refusals,
        }
    }

    /// Returns what the parameter `name` of `list` is called; a name that none has, as it is.
    pub fn name<'a>(&'a self, list: List, name: &'a str) -> &'a str {
        match name {
            "queue" => self.names.queue,
            "region" => self.names.region,
            "workflow" => self.names.workflow,
            "run" => self.names.run,
            "type" => self.names.job_type,
            "state" if list == List::Runs => self.names.outcome,
            "state" => self.names.state,
            "code" => self.names.code,
            "q" => self.names.q,
            "from" => self.names.from,
            "to" => self.names.to,
            "kind" => self.names.kind,
            "source" => self.names.source,
            "topic" => self.names.topic,
            "format" => self.names.format,
            "only" => self.names.only,
            "reason" => self.names.reason,
            other => other,
        }
    }

    /// Returns what a value of a choice is called; one that is none, as it is.
    pub fn choice<'a>(&'a self, choice: Choice, word: &'a str, texts: &Texts) -> &'a str {
        let (words, kinds) = (&texts.words, &texts.details.kinds);
        let text = match choice {
            Choice::State => JobState::from_word(word).map(|state| words.job_state(&state)),
            Choice::Outcome => RunOutcome::from_word(word).map(|outcome| words.outcome(&outcome)),
            Choice::Kind => match word {
                "job" => Some(kinds.job),
                "run" => Some(kinds.run),
                "activity" => Some(kinds.activity),
                "unrecognized" => Some(kinds.unrecognized),
                _ => None,
            },
            Choice::Only => match word {
                "unrecognized" => Some(self.only_unrecognized),
                "differs" => Some(self.only_differs),
                "repeated" => Some(self.only_repeated),
                _ => None,
            },
            Choice::HoldReason => texts.arrivals.hold_word(word),
            Choice::RefusalReason => texts.arrivals.refusal_word(word),
            Choice::Format | Choice::Order | Choice::ZeroOrOne => None,
        };
        text.unwrap_or(word)
    }

    pub const ENGLISH: ListTexts = ListTexts {
        jobs: OneList {
            title: "Jobs",
            lead: "",
            caption: "Jobs, the newest first",
            never: "No job has been told of yet.",
            leads_to_connect: true,
            find_hint: "The id of a job or a run goes straight to its page; else words of the \
                        input object, the user data and names.",
        },
        runs: OneList {
            title: "Runs",
            lead: "",
            caption: "Runs, the newest first",
            never: "No run has been told of yet. MPS tells of a run when its Start and its Report \
                    end, if the Input node of its workflow has a topic.",
            leads_to_connect: true,
            find_hint: "The id of a run or a job goes straight to its page; else words of the \
                        input object, the user data and names.",
        },
        activities: OneList {
            title: "Activities",
            lead: "The nodes of all runs.",
            caption: "Activities, the newest first",
            never: "No activity has been told of yet: only runs of workflows have them.",
            leads_to_connect: true,
            find_hint: "",
        },
        events: OneList {
            title: "Events",
            lead: "What the messages said, one by one. Jobs, runs and activities are made from \
                   these.",
            caption: "Events, the newest first",
            never: "No message has been let in yet.",
            leads_to_connect: true,
            find_hint: "",
        },
        deliveries: OneList {
            title: "Deliveries",
            lead: "Every message that was let in, once each.",
            caption: "Deliveries, the newest first",
            never: "No message has been let in yet.",
            leads_to_connect: true,
            find_hint: "",
        },
        held: OneList {
            title: "Held pushes",
            lead: "Their signature holds, but something else does not pass. Each is kept whole \
                   until you admit or drop it.",
            caption: "Held pushes, the newest first",
            never: "Nothing is held.",
            leads_to_connect: false,
            find_hint: "",
        },
        refusals: OneList {
            title: "Refused pushes",
            lead: "Pushes that are not believed. All are counted; of each reason the first and \
                   the latest are kept to explain themselves.",
            caption: "Refused pushes that were kept, the newest first",
            never: "Nothing was refused.",
            leads_to_connect: false,
            find_hint: "",
        },
        counted: english_count,
        names: FilterNames {
            queue: "Queue",
            region: "Region",
            workflow: "Workflow id",
            run: "Run id",
            job_type: "Type",
            state: "State",
            outcome: "Outcome",
            code: "Failure code",
            q: "Find",
            from: "From",
            to: "To",
            kind: "Kind",
            source: "Source",
            topic: "Topic",
            format: "Format",
            only: "Only",
            reason: "Reason",
        },
        filters: "Filters",
        set_filters: "Filters that are set",
        any: "any",
        last_hour: "last hour",
        last_day: "24 h",
        last_week: "7 days",
        time: "Time",
        more: "From–to, more filters",
        apply: "Filter",
        clear: "Clear all",
        drop: "remove this filter",
        times_hint: |zone| {
            format!("Times: 24h or 7d back from now, or 2024-05-06 08:00 in {zone}.")
        },
        how_to_connect: "How to connect",
        nothing_then: "Nothing in this window.",
        newest_was: "The newest is from",
        nothing_matches: "Nothing matches all of these filters.",
        drop_one: "Drop one of them:",
        without: "without",
        has_rows: "finds some",
        has_none: "finds nothing either",
        none_so_far: "None among the rows that were looked at; older ones are still to be searched.",
        look_on: "Search the older ones",
        none_here: "There are no more rows here.",
        show_all: "Show all",
        only_unrecognized: "unrecognized",
        only_differs: "differs",
        only_repeated: "with duplicates",
        downloads: DownloadTexts {
            lead: "Download all rows of this list:",
            excel_csv: "CSV for Excel",
            excel_hint: "Text that a spreadsheet would run as a formula gets an apostrophe",
            csv: "plain CSV",
            json_lines: "JSON lines",
        },
    };

    pub const CHINESE: ListTexts = ListTexts {
        jobs: OneList {
            title: "作业",
            lead: "",
            caption: "作业，最新的在前",
            never: "还没有收到任何作业的通知。",
            leads_to_connect: true,
            find_hint: "输入作业或执行实例的完整 ID 直接打开其页面；否则按输入文件、自定义数据和名称中的词查找。",
        },
        runs: OneList {
            title: "执行实例",
            lead: "",
            caption: "执行实例，最新的在前",
            never: "还没有收到任何执行实例的通知。如果工作流的输入节点设置了主题，MPS 会在 Start 和 \
                    Report 结束时通知。",
            leads_to_connect: true,
            find_hint: "输入执行实例或作业的完整 ID 直接打开其页面；否则按输入文件、自定义数据和名称中的词查找。",
        },
        activities: OneList {
            title: "活动",
            lead: "所有执行实例的节点。",
            caption: "活动，最新的在前",
            never: "还没有收到任何活动的通知：只有工作流的执行实例才有活动。",
            leads_to_connect: true,
            find_hint: "",
        },
        events: OneList {
            title: "事件",
            lead: "消息逐条所述的内容。作业、执行实例和活动都由此得出。",
            caption: "事件，最新的在前",
            never: "还没有接收任何消息。",
            leads_to_connect: true,
            find_hint: "",
        },
        deliveries: OneList {
            title: "投递",
            lead: "接收的每一条消息，每条只列一次。",
            caption: "投递，最新的在前",
            never: "还没有接收任何消息。",
            leads_to_connect: true,
            find_hint: "",
        },
        held: OneList {
            title: "待审推送",
            lead: "签名有效，但有其他检查未通过。每条都完整保留，直到您放行或丢弃。",
            caption: "待审推送，最新的在前",
            never: "没有待审推送。",
            leads_to_connect: false,
            find_hint: "",
        },
        refusals: OneList {
            title: "已拒绝的推送",
            lead: "不可信的推送。全部计数；每种原因保留最早的和最近的几条，以便说明原因。",
            caption: "保留下来的已拒绝推送，最新的在前",
            never: "没有拒绝过推送。",
            leads_to_connect: false,
            find_hint: "",
        },
        counted: chinese_count,
        names: FilterNames {
            queue: "管道",
            region: "地域",
            workflow: "工作流 ID",
            run: "执行实例 ID",
            job_type: "类型",
            state: "状态",
            outcome: "结果",
            code: "错误码",
            q: "查找",
            from: "从",
            to: "到",
            kind: "种类",
            source: "来源",
            topic: "主题",
            format: "格式",
            only: "仅看",
            reason: "原因",
        },
        filters: "筛选",
        set_filters: "已设置的筛选条件",
        any: "不限",
        last_hour: "最近 1 小时",
        last_day: "24 小时",
        last_week: "7 天",
        time: "时间",
        more: "起止时间和更多条件",
        apply: "筛选",
        clear: "全部清除",
        drop: "去掉此条件",
        times_hint: |zone| {
            format!("时间写法：24h 或 7d（从现在往前），或 2024-05-06 08:00（{zone}）。")
        },
        how_to_connect: "如何接入",
        nothing_then: "此时间段内没有内容。",
        newest_was: "最新一条的时间是",
        nothing_matches: "没有同时符合这些条件的内容。",
        drop_one: "可以去掉其中一个：",
        without: "去掉",
        has_rows: "有结果",
        has_none: "仍无结果",
        none_so_far: "已查看的行中没有符合的；更早的尚未查找。",
        look_on: "继续查找更早的",
        none_here: "这里没有更多的行。",
        show_all: "显示全部",
        only_unrecognized: "无法识别",
        only_differs: "内容不同",
        only_repeated: "有重复",
        downloads: DownloadTexts {
            lead: "下载此列表的全部行：",
            excel_csv: "CSV（适用于 Excel）",
            excel_hint: "会被电子表格当作公式执行的文本前加有撇号",
            csv: "原样 CSV",
            json_lines: "JSON Lines",
        },
    };
}

fn english_count(list: List, counted: Counted) -> String {
    let (one, many) = match list {
        List::Jobs => ("job", "jobs"),
        List::Runs => ("run", "runs"),
        List::Activities => ("activity", "activities"),
        List::Events => ("event", "events"),
        List::Deliveries => ("delivery", "deliveries"),
        List::Held => ("held push", "held pushes"),
        List::Refusals => ("kept", "kept"),
    };
    match number(counted) {
        Number::Exact(1) => format!("1 {one}"),
        Number::Exact(rows) => format!("{} {many}", grouped(rows)),
        Number::Round(rows) => format!("{}+ {many}", grouped(rows)),
        Number::AtLeast(rows) => format!("at least {} {many}", grouped(rows)),
    }
}

fn chinese_count(list: List, counted: Counted) -> String {
    let noun = match list {
        List::Jobs => "个作业",
        List::Runs => "个执行实例",
        List::Activities => "个活动",
        List::Events => "个事件",
        List::Deliveries => "次投递",
        List::Held => "条待审推送",
        List::Refusals => "条保留",
    };
    match number(counted) {
        Number::Exact(rows) => format!("{} {noun}", grouped(rows)),
        Number::Round(rows) => format!("{}+ {noun}", grouped(rows)),
        Number::AtLeast(rows) => format!("至少 {} {noun}", grouped(rows)),
    }
}

/// How a count that may have stopped at a bound is said.
enum Number {
    Exact(u64),
    Round(u64),
    AtLeast(u64),
}

/// A count that stopped after so many matches ends in a round number; one that stopped after so many
/// rows it looked at, anywhere.
fn number(counted: Counted) -> Number {
    match counted.rows {
        rows if counted.is_all => Number::Exact(rows),
        rows if rows > 0 && rows.is_multiple_of(1_000) => Number::Round(rows),
        rows => Number::AtLeast(rows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::list_filters::{
        ActivitiesQuery, DeliveriesQuery, EventsQuery, HeldQuery, JobsQuery, RefusalsQuery,
        RunsQuery,
    };
    use crate::web::texts::Language;

    #[test]
    fn counts_say_how_sure_they_are() {
        let cases = [
            (1, true, "1 job", "1 个作业"),
            (1_234, true, "1,234 jobs", "1,234 个作业"),
            (10_000, true, "10,000 jobs", "10,000 个作业"),
            (10_000, false, "10,000+ jobs", "10,000+ 个作业"),
            (37, false, "at least 37 jobs", "至少 37 个作业"),
            (0, false, "at least 0 jobs", "至少 0 个作业"),
        ];
        for (rows, is_all, english, chinese) in cases {
            let counted = Counted { rows, is_all };
            assert_eq!((ListTexts::ENGLISH.counted)(List::Jobs, counted), english);
            assert_eq!((ListTexts::CHINESE.counted)(List::Jobs, counted), chinese);
        }
    }

    #[test]
    fn every_filter_and_every_choice_has_a_name_in_both_languages() {
        let lists = [
            (List::Jobs, JobsQuery::KNOWN),
            (List::Runs, RunsQuery::KNOWN),
            (List::Activities, ActivitiesQuery::KNOWN),
            (List::Events, EventsQuery::KNOWN),
            (List::Deliveries, DeliveriesQuery::KNOWN),
            (List::Held, HeldQuery::KNOWN),
            (List::Refusals, RefusalsQuery::KNOWN),
        ];
        let choices = [
            Choice::State,
            Choice::Outcome,
            Choice::Kind,
            Choice::Only,
            Choice::HoldReason,
            Choice::RefusalReason,
        ];
        for texts in Language::ALL.map(Language::texts) {
            for (list, known) in lists {
                for name in known {
                    let is_page = matches!(*name, "limit" | "cursor");
                    assert!(is_page || texts.lists.name(list, name) != *name, "{name}");
                }
            }
        }
        let texts = Language::Chinese.texts();
        for choice in choices {
            for word in choice.words() {
                let text = texts.lists.choice(choice, word, texts);
                assert_ne!(text, word, "{choice:?}");
            }
        }
    }
}
