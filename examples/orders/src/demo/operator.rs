//! An operator of the backend: acts and experiments through the admin source that is mounted in the web server.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::process::TOKEN;
use crate::load::client::Client;

pub struct Operator(pub Client);

impl Operator {
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let authorization = format!("Bearer {TOKEN}");
        let headers = [("authorization", authorization.as_str()), ("x-regrow-act", "1")];
        let path = format!("/admin/v1{path}");
        let (status, answer) = self.0.ask(method, &path, &headers, body.map(|body| body.to_string())).await?;
        anyhow::ensure!(status.is_success(), "{path}: {status}: {}", String::from_utf8_lossy(&answer));
        Ok(serde_json::from_slice::<Value>(&answer)?["data"].take())
    }

    /// Each child with its state and its generation.
    pub async fn services(&self) -> anyhow::Result<Vec<Value>> {
        let services = self.ask(Method::GET, "/services?limit=1000", None).await?;
        let rows = ["unwell", "rows"].map(|rows| services[rows].as_array().cloned().unwrap_or_default());
        Ok(rows.concat())
    }

    /// One child.
    pub async fn service(&self, path: &str) -> anyhow::Result<Value> {
        let services = self.services().await?;
        services.into_iter().find(|row| row["path"] == path).ok_or_else(|| anyhow::anyhow!("no child is at {path}"))
    }

    pub async fn act(&self, act: &str, path: &str) -> anyhow::Result<Value> {
        let order = json!({ "act": act, "path": path, "reason": "a drill" });
        self.ask(Method::POST, "/acts", Some(order)).await
    }

    /// Runs an experiment to its end. Returns whether it passed, and its report.
    pub async fn experiment(&self, file: &str) -> anyhow::Result<(bool, String)> {
        let order = json!({ "tree": "orders", "file": file, "reason": "a drill" });
        let number = self.ask(Method::POST, "/experiments", Some(order)).await?["number"].take();
        loop {
            // The web server may be down in this moment: that is a part of the experiment.
            if let Ok(Value::Array(all)) = self.ask(Method::GET, "/experiments", None).await {
                let state = all.into_iter().find(|state| state["number"] == number).unwrap_or_default();
                if state["is_over"] == true {
                    let report = state["report"].as_str().unwrap_or_default().to_owned();
                    return Ok((state["passed"] == true, report));
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}
