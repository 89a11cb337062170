//! The recipes of regrow's guide that need libraries which regrow does not need: compiled and tested here.
//!
//! `cargo test --manifest-path examples/recipes/Cargo.toml`. The code itself is in `src/guide/recipes`, because the guide
//! shows it and is a part of the package `regrow`.

#[path = "../../../src/guide/recipes/axum.rs"]
pub mod axum;
#[path = "../../../src/guide/recipes/reqwest.rs"]
pub mod reqwest;
#[path = "../../../src/guide/recipes/rusqlite.rs"]
pub mod rusqlite;
#[path = "../../../src/guide/recipes/sqlx.rs"]
pub mod sqlx;
#[path = "../../../src/guide/recipes/tonic.rs"]
pub mod tonic;
#[path = "../../../src/guide/recipes/websocket.rs"]
pub mod websocket;

/// What tonic makes of a `.proto` file. Here the build script says it, so that no `protoc` is needed.
pub mod pb {
    #![allow(missing_docs, unused_qualifications)]

    #[derive(Clone, Copy, PartialEq, ::prost::Message)]
    pub struct TakeRequest {
        #[prost(uint32, tag = "1")]
        pub tins: u32,
    }

    #[derive(Clone, Copy, PartialEq, ::prost::Message)]
    pub struct TakeReply {
        #[prost(uint32, tag = "1")]
        pub left: u32,
    }

    ::tonic::include_proto!("shop.Stock");
}
