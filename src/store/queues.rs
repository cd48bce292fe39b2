//! Which queue the job of an event belongs to, by what the message, the source and the
//! configuration say. Pure.
//!
//! A single-job message of MPS names no queue, so the topic stands for it unless somebody knows
//! better. Each event keeps the rule that named its queue, so that the fold can take the highest
//! any event of a job reached.

use crate::store::options::QueueRule;

/// The rules, lower ones first; kept as their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Nothing names one.
    None = 0,
    /// The topic is shown as the queue.
    Topic = 1,
    /// A `[[queue]]` entry has the topic.
    Table = 2,
    /// The source has a queue.
    Source = 3,
    /// The message has a pipeline id.
    Pipeline = 4,
}

/// What is known of where an event came from; empty where nothing is.
pub(super) struct Origin<'a> {
    pub(super) region: &'a str,
    /// The source's queue.
    pub(super) queue: &'a str,
    pub(super) topic: &'a str,
    pub(super) pipeline_id: Option<&'a str>,
}

/// Returns the queue's name and the rule it is by. Of several `[[queue]]` entries the first counts.
pub(super) fn place<'a>(rules: &'a [QueueRule], origin: &Origin<'a>) -> (Option<&'a str>, Rank) {
    let mut of_region = rules
        .iter()
        .filter(|rule| rule.region.is_empty() || rule.region == origin.region);
    if let Some(pipeline_id) = origin.pipeline_id.filter(|id| !id.is_empty()) {
        let rule = of_region.find(|rule| rule.pipeline_id == pipeline_id);
        let name = rule.map_or(pipeline_id, |rule| &rule.name);
        return (Some(name), Rank::Pipeline);
    }
    if !origin.queue.is_empty() {
        return (Some(origin.queue), Rank::Source);
    }
    if origin.topic.is_empty() {
        return (None, Rank::None);
    }
    match of_region.find(|rule| rule.topics.iter().any(|topic| topic == origin.topic)) {
        Some(rule) => (Some(&rule.name), Rank::Table),
        None => (Some(origin.topic), Rank::Topic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, topics: &[&str], region: &str, pipeline_id: &str) -> QueueRule {
        QueueRule {
            name: name.to_owned(),
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            region: region.to_owned(),
            pipeline_id: pipeline_id.to_owned(),
        }
    }

    #[test]
    fn the_highest_rule_that_applies_names_the_queue() {
        let rules = [
            rule("far", &["t"], "cn-beijing", "p-far"),
            rule("hd", &["t", "u"], "", "p-hd"),
            rule("late", &["t"], "", ""),
        ];
        let cases = [
            // (region, source's queue, topic, pipeline id), expected
            (("", "q", "t", Some("p-hd")), (Some("hd"), Rank::Pipeline)),
            (("", "q", "t", Some("p-x")), (Some("p-x"), Rank::Pipeline)),
            (
                ("", "q", "t", Some("p-far")),
                (Some("p-far"), Rank::Pipeline),
            ),
            (
                ("cn-beijing", "q", "t", Some("p-far")),
                (Some("far"), Rank::Pipeline),
            ),
            (("", "q", "t", Some("")), (Some("q"), Rank::Source)),
            (("", "q", "t", None), (Some("q"), Rank::Source)),
            (("", "", "t", None), (Some("hd"), Rank::Table)),
            (("cn-beijing", "", "t", None), (Some("far"), Rank::Table)),
            (("cn-beijing", "", "u", None), (Some("hd"), Rank::Table)),
            (("", "", "other", None), (Some("other"), Rank::Topic)),
            (("", "", "", None), (None, Rank::None)),
        ];
        for ((region, queue, topic, pipeline_id), expected) in cases {
            let origin = Origin {
                region,
                queue,
                topic,
                pipeline_id,
            };
            assert_eq!(place(&rules, &origin), expected, "{topic} {pipeline_id:?}");
        }
    }
}
