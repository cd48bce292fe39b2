//! The layout of a lane, without the reading before it and the page behind it.

use std::hint::black_box;

use anyhow::Context;
use criterion::{BatchSize, BenchmarkId, Criterion};
use mpsink::clock::{Timestamp, Window};
use mpsink::timeline::chunks::chunks;
use mpsink::timeline::shapes::{Interval, lay_out};
use mpsink::timeline::ticks::ticks;

const NOW: Timestamp = Timestamp(1_714_982_400_000);

const HOUR_MS: i64 = 60 * 60 * 1000;

const ROWS_MAX: usize = 12;

/// Slots of a day as they are read.
const SLOT_MS: i64 = HOUR_MS / 5;
const SLOTS: i64 = 120;

pub(crate) fn measure(criterion: &mut Criterion) -> anyhow::Result<()> {
    let day = Window::new(NOW.plus_ms(-24 * HOUR_MS), NOW).context("a window")?;
    let mut group = criterion.benchmark_group("timeline");
    for shapes in [80, 1_000] {
        let intervals = intervals(day, shapes);
        group.bench_function(BenchmarkId::new("shapes", shapes), |bencher| {
            bencher.iter_batched(
                || intervals.clone(),
                |intervals| lay_out(day, NOW, intervals, ROWS_MAX),
                BatchSize::SmallInput,
            );
        });
    }
    let slots: Vec<_> = (0..SLOTS)
        .map(|at| (day.from().plus_ms(at * SLOT_MS), 1_u64))
        .collect();
    group.bench_function(BenchmarkId::new("chunks", SLOTS), |bencher| {
        bencher.iter(|| {
            let slots = black_box(&slots).iter().copied();
            chunks(day, SLOT_MS, slots, |sum, one| *sum += one)
        });
    });
    group.bench_function("ticks", |bencher| {
        bencher.iter(|| ticks(black_box(day), chrono_tz::Asia::Shanghai));
    });
    group.finish();
    Ok(())
}

/// Jobs of a quarter of an hour, which overlap.
fn intervals(day: Window, number: i64) -> Vec<Interval<i64>> {
    let interval = |at| {
        let start = day.from().plus_ms(24 * HOUR_MS * at / number);
        Interval {
            start: Some(start),
            end: Some(start.plus_ms(HOUR_MS / 4)),
            known_at: start,
            what: at,
        }
    };
    (0..number).map(interval).collect()
}
