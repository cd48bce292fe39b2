//! The tables, with how much longer everything takes on the largest database than on the smallest.

use crate::Measured;
use crate::exports::number;

pub(crate) fn print(all: &[Measured]) {
    print_sizes(all);
    print_pages(all);
    print_exports(all);
}

fn print_sizes(all: &[Measured]) {
    println!(
        "{:>12} {:>9} {:>9} {:>9} {:>12} {:>14}",
        "jobs", "MiB", "start ms", "idle MiB", "after pages", "rebuilt jobs/s"
    );
    for one in all {
        println!(
            "{:>12} {:>9.0} {:>9.0} {:>9.1} {:>12.1} {:>14}",
            one.jobs,
            number(one.bytes / 1024) / 1024.0,
            one.start_ms,
            one.idle_mib,
            one.after_pages_mib,
            one.rebuilt_jobs_per_second
                .map_or_else(String::new, |rate| format!("{rate:.0}")),
        );
        if let Some(pushed) = &one.pushed {
            println!(
                "             {} pushes/s meanwhile: {} acknowledged, {} not; p50 {:.1}, p99 {:.1}, \
                 highest {:.0} ms",
                pushed.rate,
                pushed.summary.acknowledged,
                pushed.summary.not_acknowledged,
                pushed.summary.p50_ms,
                pushed.summary.p99_ms,
                pushed.summary.highest_ms,
            );
        }
    }
}

fn print_pages(all: &[Measured]) {
    let Some(first) = all.first() else { return };
    if first.pages.is_empty() {
        return;
    }
    println!("\npages: 50th and 95th percentile in ms, by jobs");
    print!("{:<64}", "");
    for one in all {
        print!(" {:>17}", one.jobs);
    }
    println!(" {:>13}", "growth");
    for (at, page) in first.pages.iter().enumerate() {
        print!("{:<64}", page.what);
        for page in all.iter().filter_map(|one| one.pages.get(at)) {
            print!(" {:>8.2} {:>8.2}", page.p50_ms, page.p95_ms);
        }
        let last = all.last().and_then(|last| last.pages.get(at));
        if let Some(last) = last.filter(|_| all.len() > 1) {
            print!(
                " {:>5.2}× {:>5.2}×",
                last.p50_ms / page.p50_ms,
                last.p95_ms / page.p95_ms
            );
        }
        println!();
    }
    for one in all {
        let slowest = one
            .pages
            .iter()
            .max_by(|a, b| a.p95_ms.total_cmp(&b.p95_ms));
        if let Some(slowest) = slowest {
            println!(
                "slowest 95th percentile on {} jobs: {:.1} ms, {}",
                one.jobs, slowest.p95_ms, slowest.what
            );
        }
    }
}

fn print_exports(all: &[Measured]) {
    for one in all.iter().filter(|one| !one.exports.is_empty()) {
        println!(
            "\ndownloads on {} jobs\n{:<24} {:>9} {:>11} {:>9} {:>13} {:>7}",
            one.jobs, "", "rows", "rows/s", "MiB/s", "sqlite3 rows/s", "ratio"
        );
        for export in &one.exports {
            print!(
                "{:<24} {:>9} {:>11.0} {:>9.1}",
                export.what, export.rows, export.rows_per_second, export.mib_per_second
            );
            if let Some(beside) = export.sqlite3_rows_per_second {
                print!(" {beside:>14.0} {:>7.2}", export.rows_per_second / beside);
            }
            println!();
        }
    }
}
