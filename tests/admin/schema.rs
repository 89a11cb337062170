//! The published schema.

use crate::client::serve;
use regrow::admin::{Admin, schema};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.schema/admin-v1.json");

#[test]
fn the_published_schema_is_that_of_the_types() {
    if std::env::var_os("REGROW_WRITE_SCHEMA").is_some() {
        std::fs::write(FILE, schema()).unwrap();
    }
    let published = std::fs::read_to_string(FILE).unwrap();
    assert!(
        published == schema(),
        "the types have changed: run this test with REGROW_WRITE_SCHEMA=1, and look at the change"
    );
}

#[tokio::test]
async fn a_program_sends_its_schema() {
    let served = serve(&Admin::new("shop")).await;
    let answer = served.ask("GET", "/v1/schema", &[], "").await;
    assert!(answer.head.contains("application/schema+json"));
    assert_eq!(answer.body, schema());
}
