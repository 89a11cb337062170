//! Metrics: what a scrape shows of trees under faults, and whether what is shipped for Prometheus and Grafana finds it.

#[path = "../common/mod.rs"]
mod common;

mod churn;
mod faults;
mod labels;
mod measured;
mod scale;
mod scrape;
mod served;
mod shipped;
