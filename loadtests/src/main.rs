//! The gateway as the load tests run it: a whole one, with the rest of the product played in the same process.
//!
//! Owns what the gateway is told (keys, plans, APIs of a stated number) and what is counted of what it says. Driven by lines on
//! standard input, answers one line of JSON each. The parts that stand in for other roles run on threads named `owners`, so
//! that whoever measures can leave them out.
#![expect(clippy::print_stdout, reason = "its standard output is read by the load tests")]

mod catalogue;
mod owners;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Parser;
use common::Clock;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use catalogue::Catalogue;
use owners::Owners;

/// A gateway to be loaded.
#[derive(Debug, Parser)]
struct Options {
    /// Port on 127.0.0.1.
    #[arg(long)]
    port: u16,
    /// URL of the upstream.
    #[arg(long)]
    upstream: String,
    /// Directory for its spool and its configuration.
    #[arg(long)]
    directory: PathBuf,
    #[command(flatten)]
    catalogue: Catalogue,
    /// Worker threads.
    #[arg(long, default_value_t = 1)]
    workers: usize,
}

fn main() -> Result<()> {
    let options = Options::parse();
    // The gateway's own tasks need little; on a machine of many cores more threads would only be memory.
    let control = runtime("control")?;
    let played = runtime("owners")?;
    let clock = Clock::System;
    let owners = Arc::new(Owners::new(options.catalogue, options.upstream, clock.now()));
    let mut config = gateway::Config {
        workers: options.workers,
        data_dir: options.directory,
        ..gateway::Config::default()
    };
    config.upstream.allow = vec!["127.0.0.0/8".parse().map_err(anyhow::Error::msg)?];
    let deps = gateway::Deps { client: Owners::client(&owners, played.handle().clone()), clock, redis: None };
    let listener = TcpListener::bind(("127.0.0.1", options.port))?;
    let handle = control.block_on(gateway::run(config, listener, deps))?;
    control.block_on(owners.all_applied());
    println!("{}", json!({ "ready": true }));

    for line in std::io::stdin().lines() {
        let answer = match line?.as_str() {
            "counts" => owners.counts(),
            "change key" => json!({ "ms": control.block_on(owners.change_key()) }),
            "change stage" => json!({ "ms": control.block_on(owners.change_stage()) }),
            other => json!({ "error": format!("unknown: {other}") }),
        };
        println!("{answer}");
    }
    control.block_on(handle.stop()).context("the gateway did not stop cleanly")
}

fn runtime(name: &str) -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build()?)
}
