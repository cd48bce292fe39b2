//! The steps of a push before it is stored.

use std::hint::black_box;

use anyhow::ensure;
use criterion::{BatchSize, Criterion};
use mpsink::clock::Clock;
use mpsink::envelope;
use mpsink::mps;
use mpsink::notification::delivery::Delivery;
use mpsink::notification::{Admitted, Format};
use mpsink::signature::certificates::KnownCertificate;
use mpsink::signature::{DOCUMENTED_CERTIFICATE_URL, Verification, Verifier, VerifierOptions};
use tokio::runtime::Runtime;

use crate::bare::writer::runtime;
use crate::fixtures::{self, FORMATS};
use crate::load::server::CERTIFICATE;

const JOB: &str = "transcode-success";

/// Messages of one, two and more events.
const MESSAGES: [&str; 4] = [JOB, "analysis-success", "workflow-start", "workflow-report"];

pub(crate) fn measure(criterion: &mut Criterion) -> anyhow::Result<()> {
    let clock = Clock::system();
    let known = KnownCertificate {
        url: DOCUMENTED_CERTIFICATE_URL.to_owned(),
        bytes: CERTIFICATE.to_vec(),
        fetched_at: clock.now(),
    };
    let verifier = Verifier::new(VerifierOptions {
        kept: vec![known],
        ..VerifierOptions::new(clock)
    })?;
    let runtime = runtime()?;
    // Headers, certificate from memory, signature, date and checksum.
    let mut group = criterion.benchmark_group("verify");
    for format in FORMATS {
        let delivery = fixtures::delivery(format, JOB)?;
        ensure!(
            verify(&verifier, &runtime, delivery.clone()),
            "not believed"
        );
        group.bench_function(format.word(), |bencher| {
            bencher.iter_batched(
                || delivery.clone(),
                |delivery| verify(&verifier, &runtime, delivery),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("parse envelope");
    for format in FORMATS {
        let delivery = fixtures::delivery(format, JOB)?;
        group.bench_function(format.word(), |bencher| {
            bencher.iter(|| envelope::parse(black_box(&delivery)));
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("message to events");
    for message in MESSAGES {
        let delivery = fixtures::delivery(Format::Json, message)?;
        let notification = Admitted::vouch_for(envelope::parse(&delivery));
        group.bench_function(message, |bencher| {
            bencher.iter(|| mps::events(black_box(&notification)));
        });
    }
    group.finish();
    Ok(())
}

/// Tells whether it is believed.
fn verify(verifier: &Verifier, runtime: &Runtime, delivery: Delivery) -> bool {
    let Ok(head) = verifier.check_head(&delivery.headers) else {
        return false;
    };
    let found = runtime.block_on(verifier.verify(head, delivery, true));
    matches!(found, Verification::Good { .. })
}
