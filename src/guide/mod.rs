#![doc = include_str!("index.md")]
// Links to parts of a feature that is off lead nowhere. The documentation that is checked has all features.
#![cfg_attr(
    not(all(feature = "cli", feature = "health", feature = "macros", feature = "metrics", feature = "sd-notify")),
    allow(rustdoc::broken_intra_doc_links)
)]

#[doc = include_str!("quick_start.md")]
pub mod quick_start {}

#[doc = include_str!("trees.md")]
pub mod trees {}

#[doc = include_str!("choosing.md")]
pub mod choosing {}

#[doc = include_str!("contract.md")]
pub mod contract {}

#[doc = include_str!("messages.md")]
pub mod messages {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("overload.md")]
pub mod overload {}

#[doc = include_str!("shutdown.md")]
pub mod shutdown {}

#[doc = include_str!("recipes/index.md")]
pub mod recipes {
    #[doc = include_str!("recipes/axum.md")]
    #[doc = "```ignore"]
    #[doc = include_str!("recipes/axum.rs")]
    #[doc = "```"]
    pub mod axum {}

    #[doc = include_str!("recipes/tonic.md")]
    #[doc = "```ignore"]
    #[doc = include_str!("recipes/tonic.rs")]
    #[doc = "```"]
    pub mod tonic {}

    #[doc = include_str!("recipes/sqlx.md")]
    #[doc = "```ignore"]
    #[doc = include_str!("recipes/sqlx.rs")]
    #[doc = "```"]
    pub mod sqlx {}

    #[doc = include_str!("recipes/rusqlite.md")]
    #[doc = "```ignore"]
    #[doc = include_str!("recipes/rusqlite.rs")]
    #[doc = "```"]
    pub mod rusqlite {}

    #[doc = include_str!("recipes/reqwest.md")]
    #[doc = "```ignore"]
    #[doc = include_str!("recipes/reqwest.rs")]
    #[doc = "```"]
    pub mod reqwest {}

    #[doc = include_str!("recipes/websocket.md")]
    #[doc = "```ignore"]
    #[doc = include_str!("recipes/websocket.rs")]
    #[doc = "```"]
    pub mod websocket {}

    #[doc = include_str!("recipes/tcp.md")]
    pub mod tcp {}

    #[doc = include_str!("recipes/pool.md")]
    pub mod pool {}

    #[doc = include_str!("recipes/queue.md")]
    pub mod queue {}

    #[doc = include_str!("recipes/cron.md")]
    pub mod cron {}
}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("chaos_in_staging.md")]
pub mod chaos_in_staging {}

#[doc = include_str!("troubles.md")]
pub mod troubles {}

#[doc = include_str!("files.md")]
pub mod files {}

#[doc = include_str!("promises.md")]
pub mod promises {}

#[doc = include_str!("features.md")]
#[doc = include_str!("../child/settings.md")]
pub mod features {}

/// Pages for readers that know another library: a table of words, and ten lines of code, for each.
pub mod coming_from {
    #[doc = include_str!("coming_from/erlang.md")]
    pub mod erlang {}

    #[doc = include_str!("coming_from/akka.md")]
    pub mod akka {}

    #[doc = include_str!("coming_from/ractor.md")]
    pub mod ractor {}

    #[doc = include_str!("coming_from/kameo.md")]
    pub mod kameo {}

    #[doc = include_str!("coming_from/actix.md")]
    pub mod actix {}

    #[doc = include_str!("coming_from/tokio.md")]
    pub mod tokio {}
}

#[doc = include_str!("contributing.md")]
pub mod contributing {}
