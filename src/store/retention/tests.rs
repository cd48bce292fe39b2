//! Retention with a real store.
