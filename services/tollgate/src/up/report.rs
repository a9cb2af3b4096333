//! What `tollgate up` says once it is ready.

use std::io::Write;

use anyhow::{Context, Result};
use serde_json::json;

use crate::Output;
use crate::demo::{Demo, Made};
use crate::roles::Embedded;

/// Prints addresses, sign-in and a first call: for people, or as one JSON line.
pub(crate) fn print(output: Output, running: &Embedded, demo: &Demo) -> Result<()> {
    let made = demo.made.as_ref().context("the demo organization was not made")?;
    let text = match output {
        Output::Json => serde_json::to_string(&line(running, demo, made))?,
        Output::Text => words(running, demo, made),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Says that the process is ending.
pub(crate) fn stopping() {
    let _ = writeln!(std::io::stderr(), "Stopping: letting calls end and keeping every record.");
}

fn line(running: &Embedded, demo: &Demo, made: &Made) -> serde_json::Value {
    let addresses = &running.addresses;
    let mut line = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "gateway": addresses.gateway,
        "console": addresses.console,
        "portal": addresses.portal,
        "graphql": format!("{}/graphql", addresses.console),
        "aws": format!("{}/aws", addresses.console),
        "mail_inbox": format!("{}/_inbox", addresses.console),
    });
    if let (Some(line), serde_json::Value::Object(more)) =
        (line.as_object_mut(), demo_line(demo, made, &addresses.gateway))
    {
        line.extend(more);
    }
    line
}

/// The part of the line that tells of the demo organization, given the gateway's address.
pub(crate) fn demo_line(demo: &Demo, made: &Made, gateway: &str) -> serde_json::Value {
    let url = invoke_url(gateway, made);
    json!({
        "invoke_url": format!("{gateway}/_api/{{api_id}}/{{stage}}"),
        "region": demo.region,
        "account_id": made.account_id,
        "tenant": made.tenant,
        "user": demo.user,
        "portal_user": demo.portal_user,
        "token": made.token,
        "aws_access_key_id": made.aws_access_key_id,
        "aws_secret_access_key": made.aws_secret_access_key,
        "sample": {
            "api_id": made.api_id,
            "stage": made.stage,
            "url": url,
            "api_key": made.api_key,
            "curl": curl(&url, made),
        },
    })
}

fn invoke_url(gateway: &str, made: &Made) -> String {
    format!("{gateway}/_api/{}/{}", made.api_id, made.stage)
}

fn curl(url: &str, made: &Made) -> String {
    format!("curl -H 'x-api-key: {}' {url}/stations/harbour/forecast", made.api_key)
}

fn words(running: &Embedded, demo: &Demo, made: &Made) -> String {
    let addresses = &running.addresses;
    let url = invoke_url(&addresses.gateway, made);
    let (console, portal) = (&addresses.console, &addresses.portal);
    format!(
        "Tollgate {version} is ready.\n\n\
         Dashboard  {console}\n           sign in as {user} with {user_password}\n\
         Portal     {portal}\n           sign in as {developer} with {developer_password}\n\
         GraphQL    {console}/graphql (try it: {console}/graphiql)\n\
         Mail       {console}/_inbox\n\n\
         Call the sample API:\n\n  {curl}\n\n\
         Then see the call in the dashboard. Publish your own API:\n\n  {import}\n\n\
         Stop with ctrl-c; the same data directory goes on where it was.",
        version = env!("CARGO_PKG_VERSION"),
        user = demo.user.email,
        user_password = demo.user.password,
        developer = demo.portal_user.email,
        developer_password = demo.portal_user.password,
        curl = curl(&url, made),
        import = import_line(console, &made.token),
    )
}

/// Imports `openapi.yaml` with this very executable, which need not be on the path, into this installation.
fn import_line(console: &str, token: &str) -> String {
    let executable = std::env::current_exe().unwrap_or_else(|_| "tollgate".into());
    format!(
        "TOLLGATE_ADDRESS={console} TOLLGATE_TOKEN={token} {} api import openapi.yaml \
         --upstream http://127.0.0.1:9000 --stage dev",
        quoted(&executable.display().to_string())
    )
}

/// The text as a shell reads it back.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
