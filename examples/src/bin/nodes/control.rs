//! The page's requests: the state of all processes, and the buttons.

use std::io;

use actix_web::{
    Error, HttpResponse, Responder,
    error::{ErrorConflict, ErrorInternalServerError, ErrorNotFound},
    get, post,
    web::{Data, Json, Path, ServiceConfig},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    fleet::{Fleet, View},
    ledger::{Ledger, NodeNumbers},
    redis::{Redis, State},
};

pub(crate) fn configure(app: &mut ServiceConfig) {
    app.service(state).service(change_node).service(change_redis);
}

/// A node, and the outcomes of its numbers.
#[derive(Serialize)]
struct NodeReport {
    #[serde(flatten)]
    node: View,
    #[serde(flatten)]
    numbers: NodeNumbers,
}

/// The state of Redis and of all nodes, and the outcome of every number so far.
#[get("/state")]
async fn state(fleet: Data<Fleet>, redis: Data<Redis>, ledger: Data<Ledger>) -> impl Responder {
    let (state, pid) = redis.state().await;
    let nodes = fleet.nodes().iter().map(|node| NodeReport {
        node: node.view(),
        numbers: ledger.of(node.number()),
    });
    let nodes: Vec<_> = nodes.collect();
    Json(json!({ "run": ledger.run(), "redis": { "state": state, "pid": pid }, "nodes": nodes }))
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum NodeChange {
    Start,
    Kill,
}

#[post("/nodes/{number}/{change}")]
async fn change_node(asked: Path<(usize, NodeChange)>, fleet: Data<Fleet>) -> Result<HttpResponse, Error> {
    let (number, change) = asked.into_inner();
    let node = fleet
        .find(number)
        .ok_or_else(|| ErrorNotFound("there is no such node"))?;
    match change {
        NodeChange::Start => node.start().map_err(ErrorInternalServerError)?,
        NodeChange::Kill => node.kill(),
    }
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RedisChange {
    Start,
    Kill,
    Freeze,
    Thaw,
}

#[post("/redis/{change}")]
async fn change_redis(asked: Path<RedisChange>, redis: Data<Redis>) -> Result<HttpResponse, Error> {
    if matches!(redis.state().await, (State::External, _)) {
        return Err(ErrorConflict("this Redis does not belong to this program"));
    }
    let done: io::Result<()> = match asked.into_inner() {
        RedisChange::Start => redis.start_again().await,
        RedisChange::Kill => redis.kill().await,
        RedisChange::Freeze => redis.freeze(true).await,
        RedisChange::Thaw => redis.freeze(false).await,
    };
    done.map_err(ErrorInternalServerError)?;
    Ok(HttpResponse::NoContent().finish())
}
