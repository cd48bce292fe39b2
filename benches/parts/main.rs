//! `cargo bench --bench parts`: what each step of a push, a page and a download costs by itself.
//!
//! Where the time goes, and no more: what a step costs alone, with everything warm, is the least it
//! costs in the server. A word behind `--` chooses those whose name has it; each is compared with the
//! run before it.

use std::time::Duration;

use criterion::Criterion;

#[path = "../bare/mod.rs"]
#[expect(dead_code, reason = "shared with the other benchmarks")]
mod bare;
#[path = "../load/mod.rs"]
#[expect(dead_code, reason = "shared with the other benchmarks")]
mod load;

mod drawing;
mod fixtures;
mod history;
mod pushes;
mod storing;

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(40)
        .configure_from_args();
    pushes::measure(&mut criterion)?;
    storing::measure(&mut criterion)?;
    drawing::measure(&mut criterion)?;
    history::measure(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}
