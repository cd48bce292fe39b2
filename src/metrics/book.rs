//! The registry, and beside it the list of what is in it: a family without a label yet is in no
//! scrape, and the documents are held against everything there is.

use prometheus_client::registry::{Metric, Registry, Unit};

use crate::metrics::Registered;

/// What every name begins with.
const PREFIX: &str = "mpsink";

/// Where metrics are registered.
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

    pub(super) fn counter(&mut self, name: &str, help: &str, metric: &(impl Metric + Clone)) {
        self.note(format!("{name}_total"), "counter");
        self.registry.register(name, trimmed(help), metric.clone());
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, metric: &(impl Metric + Clone)) {
        self.note(name.to_owned(), "gauge");
        self.registry.register(name, trimmed(help), metric.clone());
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, metric: &(impl Metric + Clone)) {
        self.note(name.to_owned(), "histogram");
        self.registry.register(name, trimmed(help), metric.clone());
    }

    /// Registers a gauge of bytes.
    pub(super) fn bytes(&mut self, name: &str, help: &str, metric: &(impl Metric + Clone)) {
        self.with_unit(name, help, "gauge", Unit::Bytes, metric);
    }

    /// Registers a gauge of seconds.
    pub(super) fn seconds(&mut self, name: &str, help: &str, metric: &(impl Metric + Clone)) {
        self.with_unit(name, help, "gauge", Unit::Seconds, metric);
    }

    /// Registers a histogram of seconds.
    pub(super) fn seconds_of(&mut self, name: &str, help: &str, metric: &(impl Metric + Clone)) {
        self.with_unit(name, help, "histogram", Unit::Seconds, metric);
    }

    fn with_unit(
        &mut self,
        name: &str,
        help: &str,
        kind: &'static str,
        unit: Unit,
        metric: &(impl Metric + Clone),
    ) {
        self.note(format!("{name}_{}", unit.as_str()), kind);
        let (help, metric) = (trimmed(help), metric.clone());
        self.registry.register_with_unit(name, help, unit, metric);
    }

    fn note(&mut self, name: String, kind: &'static str) {
        let name = format!("{PREFIX}_{name}");
        self.registered.push(Registered { name, kind });
    }
}

/// Without the full stop, which the registry adds.
fn trimmed(help: &str) -> &str {
    help.trim_end_matches('.')
}
