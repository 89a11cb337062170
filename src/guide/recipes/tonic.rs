use std::net::SocketAddr;
use std::time::Duration;

use regrow::{CallError, Child, Restart, Supervisor, TaskContext};
use tonic::{Request, Response, Status};

use crate::pb::stock_server::{Stock as StockRpc, StockServer};
use crate::pb::{TakeReply, TakeRequest};

struct Stock {
    tins: u32,
}

#[regrow::service]
impl Stock {
    #[call]
    fn take(&mut self, tins: u32) -> Option<u32> {
        self.tins = self.tins.checked_sub(tins)?;
        Some(self.tins)
    }
}

/// The side of the network: it holds the address of the service.
struct Rpc {
    stock: StockClient,
}

#[tonic::async_trait]
impl StockRpc for Rpc {
    async fn take(&self, request: Request<TakeRequest>) -> Result<Response<TakeReply>, Status> {
        let tins = request.into_inner().tins;
        let left = self.stock.take(tins).within(Duration::from_secs(1)).await.map_err(status)?;
        let left = left.ok_or_else(|| Status::failed_precondition("there are not that many"))?;
        Ok(Response::new(TakeReply { left }))
    }
}

fn status<M>(error: CallError<M>) -> Status {
    let text = error.to_string();
    match error {
        error if error.is_safe_to_repeat() => Status::unavailable(text),
        CallError::TimedOut { .. } => Status::deadline_exceeded(text),
        _ => Status::internal(text),
    }
}

async fn serve(listen: SocketAddr, ctx: TaskContext) -> anyhow::Result<()> {
    let rpc = Rpc { stock: ctx.lookup("stock")?.into() };
    tonic::transport::Server::builder()
        .add_service(StockServer::new(rpc))
        .serve_with_shutdown(listen, ctx.stopping())
        .await?;
    Ok(())
}

pub fn shop(listen: SocketAddr) -> Supervisor {
    Supervisor::one_for_one("shop")
        .child(Child::service("stock", |_ctx| async { Ok(Stock { tins: 10 }) }))
        .child(Child::task("grpc", move |ctx| serve(listen, ctx)).restart(Restart::Permanent))
}
