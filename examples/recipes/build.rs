//! Makes the code of the gRPC service of the recipe for tonic.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let take = Method::builder()
        .name("take")
        .route_name("Take")
        .input_type("crate::pb::TakeRequest")
        .output_type("crate::pb::TakeReply")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    Builder::new().compile(&[Service::builder().package("shop").name("Stock").method(take).build()]);
}
