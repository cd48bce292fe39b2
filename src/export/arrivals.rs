//! The columns of what arrived: events, deliveries, held and refused pushes.
//!
//! The rule of `history.rs` holds here as well: new columns go to the end.

use crate::export::columns::{
    BYTES, Cell, Column, Kind, MILLISECONDS, NUMBER, OWNER, REGION, column,
};
use crate::store::records::{DeliveryRecord, EventRecord, HeldRecord, RefusalRecord};

const TOPIC: &str = "The topic it was published to";

const SOURCE: &str = "The name of the source that it came through";

const MESSAGE_ID: &str = "SMQ's id of the message";

const RECEIVED_AT: &str = "When it arrived; what `from` and `to` compare";

pub(super) const EVENTS: &[Column<EventRecord>] = &[
    column(
        "id",
        NUMBER,
        "The number of the event's row",
        |event, cell| event.id.put(cell),
    ),
    column(
        "kind",
        Kind::Word,
        "`job`, `run`, `activity` or `unrecognized`",
        |event, cell| event.kind.put(cell),
    ),
    column(
        "delivery",
        NUMBER,
        "The number of the delivery whose message says it",
        |event, cell| event.delivery.put(cell),
    ),
    column("owner", Kind::Text, OWNER, |event, cell| {
        event.owner.put(cell);
    }),
    column("topic", Kind::Text, TOPIC, |event, cell| {
        event.topic.put(cell);
    }),
    column(
        "subject",
        Kind::Text,
        "The id of the job or run that it is about",
        |event, cell| event.subject.put(cell),
    ),
    column("state", Kind::Word, "As of jobs", |event, cell| {
        event.state.put(cell);
    }),
    column(
        "at",
        Kind::Time,
        "When it happened; what `from` and `to` compare",
        |event, cell| event.at.put(cell),
    ),
    column(
        "at_from",
        Kind::Word,
        "What says when it happened: `message`, `envelope` or `arrival`",
        |event, cell| event.at_from.put(cell),
    ),
    column(
        "received_at",
        Kind::Time,
        "When the delivery arrived",
        |event, cell| event.received_at.put(cell),
    ),
    column(
        "event",
        Kind::Json,
        "The event itself with the fields that its message gave a value",
        |event, cell| event.event.put(cell),
    ),
];

pub(super) const DELIVERIES: &[Column<DeliveryRecord>] = &[
    column(
        "id",
        NUMBER,
        "The number of the delivery",
        |delivery, cell| delivery.id.put(cell),
    ),
    column("source", Kind::Text, SOURCE, |delivery, cell| {
        delivery.source.put(cell);
    }),
    column("owner", Kind::Text, OWNER, |delivery, cell| {
        delivery.owner.put(cell);
    }),
    column("region", Kind::Text, REGION, |delivery, cell| {
        delivery.region.put(cell);
    }),
    column("topic", Kind::Text, TOPIC, |delivery, cell| {
        delivery.topic.put(cell);
    }),
    column(
        "subscription",
        Kind::Text,
        "The subscription that pushed it",
        |delivery, cell| delivery.subscription.put(cell),
    ),
    column(
        "subscriber",
        Kind::Text,
        "The account id of the subscriber",
        |delivery, cell| delivery.subscriber.put(cell),
    ),
    column("message_id", Kind::Text, MESSAGE_ID, |delivery, cell| {
        delivery.message_id.put(cell);
    }),
    column(
        "tag",
        Kind::Text,
        "The message's tag; MPS sets none",
        |delivery, cell| delivery.tag.put(cell),
    ),
    column(
        "format",
        Kind::Word,
        "`xml`, `json` or `simplified`",
        |delivery, cell| delivery.format.put(cell),
    ),
    column(
        "published_at",
        Kind::Time,
        "When the message was published",
        |delivery, cell| delivery.published_at.put(cell),
    ),
    column("received_at", Kind::Time, RECEIVED_AT, |delivery, cell| {
        delivery.received_at.put(cell);
    }),
    column(
        "lag_ms",
        MILLISECONDS,
        "From publishing to arrival; below 0 if the clocks disagree",
        |delivery, cell| delivery.lag_ms.put(cell),
    ),
    column(
        "duplicates",
        NUMBER,
        "How often the same message came again",
        |delivery, cell| delivery.duplicates.put(cell),
    ),
    column(
        "last_duplicate_at",
        Kind::Time,
        "When it came again last",
        |delivery, cell| delivery.last_duplicate_at.put(cell),
    ),
    column(
        "differs",
        Kind::Flag,
        "The same message id came again with another message; the first was kept",
        |delivery, cell| delivery.differs.put(cell),
    ),
    column(
        "md5_mismatch",
        Kind::Flag,
        "The checksum in the envelope is not that of its message",
        |delivery, cell| delivery.md5_mismatch.put(cell),
    ),
    column(
        "body_bytes",
        BYTES,
        "How long its body was",
        |delivery, cell| delivery.body_bytes.put(cell),
    ),
    column(
        "unrecognized",
        Kind::Text,
        "Why the message was not understood; empty if it was",
        |delivery, cell| delivery.unrecognized.put(cell),
    ),
];

pub(super) const HELD: &[Column<HeldRecord>] = &[
    column("id", NUMBER, "The number of the held push", |held, cell| {
        held.id.put(cell);
    }),
    column("source", Kind::Text, SOURCE, |held, cell| {
        held.source.put(cell);
    }),
    column(
        "reason",
        Kind::Word,
        "Why it is held: `date`, `body_checksum`, `owner`, `owner_missing` or `topic`",
        |held, cell| held.reason.put(cell),
    ),
    column("received_at", Kind::Time, RECEIVED_AT, |held, cell| {
        held.received_at.put(cell);
    }),
    column("owner", Kind::Text, OWNER, |held, cell| {
        held.owner.put(cell);
    }),
    column("topic", Kind::Text, TOPIC, |held, cell| {
        held.topic.put(cell);
    }),
    column("message_id", Kind::Text, MESSAGE_ID, |held, cell| {
        held.message_id.put(cell);
    }),
    column("body_bytes", BYTES, "How long its body is", |held, cell| {
        held.body_bytes.put(cell);
    }),
    column(
        "repeats",
        NUMBER,
        "How often the same push came again",
        |held, cell| held.repeats.put(cell),
    ),
];

pub(super) const REFUSALS: &[Column<RefusalRecord>] = &[
    column(
        "id",
        NUMBER,
        "The number of the refused push",
        |refusal, cell| refusal.id.put(cell),
    ),
    column("source", Kind::Text, SOURCE, |refusal, cell| {
        refusal.source.put(cell);
    }),
    column(
        "reason",
        Kind::Word,
        "Why it was refused, such as `signature_wrong`",
        |refusal, cell| refusal.reason.put(cell),
    ),
    column("received_at", Kind::Time, RECEIVED_AT, |refusal, cell| {
        refusal.received_at.put(cell);
    }),
    column(
        "body_bytes",
        BYTES,
        "How long its body was, as far as it was read",
        |refusal, cell| refusal.body_bytes.put(cell),
    ),
];
