//! Prepared requests read as the server reads them, up to where they go to the store.

use mpsink::clock::Timestamp;
use mpsink::envelope;
use mpsink::mps;
use mpsink::notification::source::Source;
use mpsink::notification::{Admitted, capture};
use mpsink::store::{Arrival, OwnerRule};

/// Reads requests of the benchmark's own, which need nobody to believe them.
pub(crate) fn read(
    requests: &[Vec<u8>],
    source: &Source,
    now: Timestamp,
) -> anyhow::Result<Vec<Arrival>> {
    let arrival = |request: &Vec<u8>| {
        let delivery = capture::parse(request)?.into_delivery(source.id, now);
        let notification = Admitted::vouch_for(envelope::parse(&delivery));
        Ok(Arrival {
            events: mps::events(&notification),
            md5_mismatch: envelope::md5_mismatch(&notification),
            delivery,
            notification,
            region: source.region.clone(),
            queue: source.queue.clone(),
            owner: OwnerRule::Checked,
            from_held: None,
        })
    };
    requests.iter().map(arrival).collect()
}
