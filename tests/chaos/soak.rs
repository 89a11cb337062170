//! A short soak of the forest, live: every invariant holds. The long one is `regrow chaos soak`.

use std::time::Duration;

use super::soak_of_the_forest::soak;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_soak_breaks_nothing() {
    let soak = soak(Duration::from_secs(6), 7).await.unwrap();
    assert_eq!(soak.complaints(), [""; 0], "{soak}");
    println!("{soak}");
}
