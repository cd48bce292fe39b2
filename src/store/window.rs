//! Which of an entity's events are folded, when there are more than can be.
//!
//! Events are read backwards from the one that decides. One that says word for word what a later one
//! has said adds nothing and takes no room: each message of a large run lists all of its activities
//! again. What is beyond the room is left out, whatever came first, so the result is a function of
//! the events and not of their arrival.
//!
//! Without a bound, a publisher that repeats one id in ever new messages would have the writer read
//! them all with every push, and other pushes would wait for it.

use std::collections::HashSet;

use rusqlite::Row;

/// The room there is, and what has been put into it.
pub(super) struct Window {
    events_left: usize,
    bytes_left: usize,
    seen: HashSet<String>,
}

/// What to do with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Take,
    /// A later one says the same.
    Repeat,
    /// There is no room for it, nor for any before it.
    Full,
}

impl Window {
    pub(super) fn new(events_max: usize, bytes_max: usize) -> Window {
        Window {
            events_left: events_max,
            bytes_left: bytes_max,
            seen: HashSet::new(),
        }
    }

    /// Finds the place of the next event: `event` as it is kept, and what else of its row the fold
    /// goes by. The first one always has a place.
    pub(super) fn place(&mut self, event: &str, besides: &str) -> Place {
        let key = format!("{besides}\n{event}");
        if self.seen.contains(&key) {
            return Place::Repeat;
        }
        let has_room = self.events_left > 0 && self.bytes_left >= event.len();
        if !has_room && !self.seen.is_empty() {
            return Place::Full;
        }
        self.events_left = self.events_left.saturating_sub(1);
        self.bytes_left = self.bytes_left.saturating_sub(event.len());
        self.seen.insert(key);
        Place::Take
    }
}

/// Returns the event in a row, as it is kept.
pub(super) fn event_text<'a>(row: &'a Row<'_>) -> rusqlite::Result<&'a str> {
    Ok(row.get_ref("event")?.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(window: &mut Window, events: &[&str], expected: &[Place]) {
        let places: Vec<Place> = events
            .iter()
            .map(|event| window.place(event, "queue"))
            .collect();
        assert_eq!(places, expected, "{events:?}");
    }

    #[test]
    fn a_repeated_event_takes_no_room_and_one_beyond_it_has_no_place() {
        let mut window = Window::new(2, 100);
        check(
            &mut window,
            &["a", "a", "b", "a", "c"],
            &[
                Place::Take,
                Place::Repeat,
                Place::Take,
                Place::Repeat,
                Place::Full,
            ],
        );
    }

    #[test]
    fn bytes_are_bounded_to_the_byte_and_the_first_always_has_a_place() {
        let mut window = Window::new(9, 4);
        check(
            &mut window,
            &["aaa", "b", "c"],
            &[Place::Take, Place::Take, Place::Full],
        );
        let mut window = Window::new(9, 4);
        check(&mut window, &["too long", "b"], &[Place::Take, Place::Full]);
    }

    #[test]
    fn the_same_words_about_another_queue_are_no_repetition() {
        let mut window = Window::new(9, 100);
        assert_eq!(window.place("a", "q1"), Place::Take);
        assert_eq!(window.place("a", "q2"), Place::Take);
        assert_eq!(window.place("a", "q1"), Place::Repeat);
    }
}
