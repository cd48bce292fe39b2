//! Names as users choose them: object keys and user data, half of them Chinese.

use crate::clock::Timestamp;
use crate::demo::dice::Dice;

/// Folders, with blanks and all.
const FOLDERS: &[&str] = &[
    "in",
    "upload/2024",
    "上传/第二学期",
    "直播回放",
    "用户 视频",
    "media/incoming files",
];

const TITLES: &[&str] = &[
    "clip",
    "lecture",
    "片段 #",
    "第一课 导论",
    "产品介绍（终版）",
    "interview take ",
    "城市 航拍 100%",
];

const ENDINGS: &[&str] = &[".mp4", ".mp4", ".mp4", ".mov", ".flv", ".mkv"];

/// Returns the raw key of an object.
pub(super) fn object(dice: &mut Dice) -> String {
    let (folder, title) = (dice.pick(FOLDERS), dice.pick(TITLES));
    let number = dice.below(100_000);
    format!("{folder}/{title}{number:05}{}", dice.pick(ENDINGS))
}

/// Returns what a submitter put on a job for itself, if anything.
pub(super) fn user_data(dice: &mut Dice) -> Option<String> {
    let number = dice.below(1_000_000);
    match dice.below(10) {
        0..4 => None,
        4 => Some("{}".to_owned()),
        5 => Some(format!(r#"{{"orderId":{number},"tenant":"demo"}}"#)),
        6 | 7 => Some(format!("sku-{number:06}")),
        _ => Some(format!("商品编号：{number:06}")),
    }
}

/// Returns a time as messages have it: UTC, to the second.
pub(super) fn seconds(at: Timestamp) -> String {
    let whole = Timestamp(at.0 - at.0.rem_euclid(1_000));
    whole.to_string().replace(".000Z", "Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_times_to_the_second() {
        assert_eq!(
            seconds(Timestamp(1_714_982_401_999)),
            "2024-05-06T08:00:01Z"
        );
    }
}
