//! The object that a job or a run works on, in the shapes that messages name it.

use crate::mps::fields::Fields;
use crate::mps::json::{self, Json};
use crate::mps::keys;
use crate::notification::event::MediaObject;

/// Takes `Input`: `{Bucket, Location, Object}` (jobs), the same one level down in `InputFile`
/// beside `UserData` (runs), the text of such JSON (what submitting a job takes), or `InputFile`
/// by itself. What else is in there stays under its key, also its user data if `user_data` is
/// known already.
///
/// `Object` is kept as it came: messages carry it unencoded.
pub(super) fn take(fields: &mut Fields, user_data: &mut Option<String>) -> Option<MediaObject> {
    let Some((name, mut input)) = take_object_or_its_text(fields) else {
        return take_file(fields);
    };
    if user_data.is_none() {
        *user_data = input.take_text(keys::USER_DATA);
    }
    let media = take_file(&mut input).or_else(|| take_media(&mut input));
    fields.keep_rest(name, input);
    media
}

fn take_object_or_its_text(fields: &mut Fields) -> Option<(String, Fields)> {
    if let Some(object) = fields.take_object(keys::INPUT) {
        return Some(object);
    }
    let (name, json) = fields.take(keys::INPUT, |json| object_in_text(json).is_some())?;
    Some((name, Fields::new(object_in_text(&json)?)))
}

fn object_in_text(json: &Json) -> Option<Vec<(String, Json)>> {
    let Json::Text(text) = json else { return None };
    match json::parse(text.as_bytes()) {
        Ok(Json::Object(entries)) => Some(entries),
        Ok(_) | Err(_) => None,
    }
}

fn take_file(fields: &mut Fields) -> Option<MediaObject> {
    let (name, mut file) = fields.take_object(keys::INPUT_FILE)?;
    let media = take_media(&mut file);
    fields.keep_rest(name, file);
    media
}

fn take_media(fields: &mut Fields) -> Option<MediaObject> {
    let media = MediaObject {
        bucket: fields.take_text(keys::BUCKET),
        location: fields.take_text(keys::LOCATION),
        object: fields.take_text(keys::OBJECT),
    };
    (media != MediaObject::default()).then_some(media)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_object_is_read_in_every_shape_and_what_else_is_there_is_left() {
        let file = r#"{"Bucket":"b","location":"l","Object":"输入/a b%20.mp4","Extra":1}"#;
        let text = Value::from(file);
        let left = json!({"Extra": 1});
        let cases = [
            (format!(r#"{{"Input":{file}}}"#), json!({"Input": left})),
            (format!(r#"{{"input":{text}}}"#), json!({"input": left})),
            (
                format!(r#"{{"InputFile":{file}}}"#),
                json!({"InputFile": left}),
            ),
            (
                format!(r#"{{"Input":{{"InputFile":{file},"More":2}}}}"#),
                json!({"Input": {"InputFile": left, "More": 2}}),
            ),
        ];
        let expected = MediaObject {
            bucket: Some("b".to_owned()),
            location: Some("l".to_owned()),
            object: Some("输入/a b%20.mp4".to_owned()),
        };
        for (message, extra) in cases {
            let (media, left) = taken(&message);
            assert_eq!(media.as_ref(), Some(&expected), "{message}");
            assert_eq!(left, extra, "{message}");
        }
    }

    #[test]
    fn an_input_that_says_nothing_readable_is_left() {
        for value in [r#""oss://b/o""#, "1", "[]", r#"{"Bucket":{"a":1}}"#] {
            let message = format!(r#"{{"Input":{value}}}"#);
            let (media, left) = taken(&message);
            assert_eq!(media, None, "{message}");
            assert_eq!(left.to_string(), message);
        }
    }

    #[test]
    fn user_data_inside_is_taken_only_if_there_is_none_yet() {
        let message = r#"{"Input":{"UserData":"inside"}}"#;
        for (before, after, left) in [
            (None, "inside", "{}"),
            (Some("outside"), "outside", message),
        ] {
            let mut user_data = before.map(str::to_owned);
            let mut fields = fields(message);
            assert_eq!(take(&mut fields, &mut user_data), None);
            assert_eq!(user_data.as_deref(), Some(after));
            assert_eq!(Value::Object(fields.into_extra()).to_string(), left);
        }
    }

    fn taken(message: &str) -> (Option<MediaObject>, Value) {
        let mut fields = fields(message);
        let media = take(&mut fields, &mut None);
        (media, Value::Object(fields.into_extra()))
    }

    fn fields(message: &str) -> Fields {
        let Ok(Json::Object(entries)) = json::parse(message.as_bytes()) else {
            panic!("no object: {message}");
        };
        Fields::new(entries)
    }
}
