//! The registry, and beside it the list of what is in it: a family without a label yet is in no
//! scrape, and the documents are held against everything there is.

use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::metrics::Registered;

/// What every name begins with.
const PREFIX: &str = "mpsink";

/// Where metrics are made and registered. Clones of a metric share their numbers.
pub(super) struct Book {
    registry: Registry,
    registered: Vec<Registered>,
}

impl Book {
    pub(super) fn new() -> Book {
        Book {
            registry: Registry::with_prefix(PREFIX),
            registered: Vec::new(),
        }
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(super) fn registered(&self) -> &[Registered] {
        &self.registered
    }

    /// Makes a counter, or a family of them; its name ends in `_total`, which is added.
    pub(super) fn counter<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.note(&format!("{name}_total"), "counter");
        self.put(name, help, None, M::default())
    }

    /// Makes a counter of seconds; its name ends in `_seconds_total`, which is added.
    pub(super) fn seconds_in_all<M: Metric + Clone + Default>(
        &mut self,
        name: &str,
        help: &str,
    ) -> M {
        self.note(&format!("{name}_seconds_total"), "counter");
        self.put(name, help, Some(Unit::Seconds), M::default())
    }

    /// Makes a gauge without a unit, or a family of them.
    pub(super) fn gauge<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.note(name, "gauge");
        self.put(name, help, None, M::default())
    }

    /// Makes a gauge of bytes; its name ends so, which is added.
    pub(super) fn bytes<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.note(&format!("{name}_bytes"), "gauge");
        self.put(name, help, Some(Unit::Bytes), M::default())
    }

    /// Makes a gauge of seconds; its name ends so, which is added.
    pub(super) fn seconds<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.note(&format!("{name}_seconds"), "gauge");
        self.put(name, help, Some(Unit::Seconds), M::default())
    }

    /// Makes a histogram of seconds; its name ends so, which is added.
    pub(super) fn durations(&mut self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.note(&format!("{name}_seconds"), "histogram");
        let histogram = Histogram::new(buckets.iter().copied());
        self.put(name, help, Some(Unit::Seconds), histogram)
    }

    /// Makes a histogram of numbers of things.
    pub(super) fn sizes(&mut self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.note(name, "histogram");
        self.put(name, help, None, Histogram::new(buckets.iter().copied()))
    }

    fn put<M: Metric + Clone>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        metric: M,
    ) -> M {
        // The registry adds a full stop.
        let help = help.trim_end_matches('.');
        match unit {
            None => self.registry.register(name, help, metric.clone()),
            Some(unit) => {
                let copy = metric.clone();
                self.registry.register_with_unit(name, help, unit, copy);
            }
        }
        metric
    }

    fn note(&mut self, name: &str, kind: &'static str) {
        let name = format!("{PREFIX}_{name}");
        self.registered.push(Registered { name, kind });
    }
}
