//! A scrape of a large tree. `REGROW_CHILDREN=100000 cargo test --release --features metrics --test metrics scale --
//! --nocapture` prints the times.

use std::time::Instant;

use regrow::metrics::Metrics;
use regrow::testing::Journal;
use regrow::{DynamicSupervisor, Supervisor};

use crate::scrape::Scrape;

#[tokio::test]
async fn many_children_of_one_template_are_a_few_lines() {
    let children: usize = std::env::var("REGROW_CHILDREN").ok().map_or(2_000, |text| text.parse().expect("a number"));
    let journal = Journal::new();
    let pool = DynamicSupervisor::new("pool").numbered().template(move |(): ()| journal.probe("child"));
    let tree = Supervisor::one_for_one("app").child(pool).start().await.unwrap();
    let pool = tree.dynamic("app/pool").unwrap().template::<()>().unwrap();
    assert!(pool.start_children(vec![(); children]).await.iter().all(Result::is_ok));
    let metrics = Metrics::new().tree(&tree);
    for _ in 0..3 {
        let begun = Instant::now();
        let text = metrics.render();
        let scraped = begun.elapsed();
        let begun = Instant::now();
        // The look at all paths that holds the lock: the same walk as that of a scrape.
        assert!(tree.directory().entries_where(|_, _| false).is_empty());
        println!("{children} children: {scraped:?} for a scrape, {:?} for a walk under the lock", begun.elapsed());
        let scrape = Scrape::read(&text);
        assert_eq!(scrape.sum("regrow_services", &[("service", "app/pool/*"), ("state", "up")]), children as f64);
        assert_eq!(scrape.sum("regrow_service_starts_total", &[("service", "app/pool/*")]), children as f64);
        assert!(text.lines().count() < 300, "{}", text.lines().count());
    }
    tree.shutdown().await;
}
