//! `tollgate api`: publishing from a shell.

use std::io::Read as _;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Connection, EXIT_CODES, Failure, Output, client, print, say};

const IMPORT: &str = "mutation ($input: ApiImportInput!) { apiImport(input: $input) {
    api { id name } invokeUrl status warningDetails { pointer line message } errors { field message } } }";

const IMPORT_EXAMPLES: &str = "Examples:
  tollgate api import openapi.yaml --upstream https://backend.example.com --stage dev
  tollgate api import https://example.com/openapi.json --stage dev --output json
  generate-openapi | tollgate api import - --api abcdefghij --stage dev";

/// Publishing.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an API of an OpenAPI document and deploy it
    #[command(after_help = format!("{IMPORT_EXAMPLES}\n\n{EXIT_CODES}"))]
    Import(Import),
}

/// What to import.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// OpenAPI 3.0, 3.1 or Swagger 2.0, JSON or YAML: a path, an http(s) address, or - for standard input
    file: String,
    /// Where calls go instead of the document's servers
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Stage to deploy to, made when missing; without one nothing is deployed
    #[arg(long)]
    stage: Option<String>,
    /// Name; the document's title by default
    #[arg(long)]
    name: Option<String>,
    /// Replace the document of this API instead of making a new one
    #[arg(long, value_name = "ID")]
    api: Option<String>,
    /// Header that the gateway adds towards the backend, so that nobody gets around the gateway. May be repeated.
    /// VALUE can be env:VARIABLE or @FILE, which keep it out of the list of processes
    #[arg(long, value_name = "NAME=VALUE")]
    secret_header: Vec<String>,
    /// Let calls in without an API key
    #[arg(long)]
    no_key: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(command: Command) -> Result<(), Failure> {
    let Command::Import(import) = command;
    if import.connection.output.file().is_some() {
        return Err(Failure::arguments("--output: an import is printed as a table or as json"));
    }
    let data = client::run(&import.connection, IMPORT, json!({ "input": import.input()? })).await?;
    let imported = client::payload(data, "apiImport")?;
    for warning in imported["warningDetails"].as_array().into_iter().flatten() {
        say(&describe(warning));
    }
    match import.connection.output {
        Output::Json => print(&imported.to_string()),
        _ => print(&summary(&imported)),
    }
    if imported["status"] == "PENDING" {
        say("stored; not every gateway has reported it yet");
    }
    Ok(())
}

impl Import {
    fn input(&self) -> Result<Value, Failure> {
        let is_address = self.file.starts_with("http://") || self.file.starts_with("https://");
        let document = if is_address { None } else { Some(read(&self.file)?) };
        Ok(json!({
            "name": self.name,
            "document": document,
            "documentUrl": is_address.then_some(&self.file),
            "upstreamUrl": self.upstream,
            "stage": self.stage,
            "apiId": self.api,
            "requireApiKey": self.no_key.then_some(false),
            "secretHeaders": self.secret_header.iter().map(|text| secret_header(text)).collect::<Result<Vec<_>, _>>()?,
        }))
    }
}

/// `NAME=VALUE`, `NAME=env:VARIABLE` or `NAME=@FILE`. A file's last line break is not part of the value.
fn secret_header(text: &str) -> Result<Value, Failure> {
    let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(Failure::arguments(
            "--secret-header must be NAME=VALUE, NAME=env:VARIABLE or NAME=@FILE",
        ));
    };
    let value = if let Some(variable) = value.strip_prefix("env:") {
        std::env::var(variable)
            .map_err(|_| Failure::arguments(format!("--secret-header {name}: {variable} is not set")))?
    } else if let Some(file) = value.strip_prefix('@') {
        read(file)?.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        value.to_owned()
    };
    Ok(json!({ "name": name, "value": value }))
}

fn read(file: &str) -> Result<String, Failure> {
    let unreadable = |error| Failure::failed(format!("cannot read {file}: {error}"));
    if file != "-" {
        return std::fs::read_to_string(file).map_err(unreadable);
    }
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

fn describe(warning: &Value) -> String {
    let text = |key: &str| warning[key].as_str().unwrap_or_default();
    match warning["line"].as_u64() {
        Some(line) => format!("warning: line {line}, {}: {}", text("pointer"), text("message")),
        None => format!("warning: {}: {}", text("pointer"), text("message")),
    }
}

fn summary(imported: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let api = &imported["api"];
    let (id, name, url) = (text(&api["id"]), text(&api["name"]), text(&imported["invokeUrl"]));
    format!("api     {id}  {name}\ninvoke  {url}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_header_comes_from_the_line_the_environment_or_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3=cret\n").unwrap();
        let from_file = format!("x-secret=@{}", file.path().display());
        let home = std::env::var("HOME").unwrap();
        for (text, value) in
            [("x-secret=s3=cret", "s3=cret"), (&from_file, "s3=cret"), ("x-secret=env:HOME", &home)]
        {
            assert_eq!(secret_header(text).unwrap(), json!({ "name": "x-secret", "value": value }), "{text}");
        }
        for broken in ["x-secret", "=value", "x=env:TOLLGATE_NOT_SET_ANYWHERE", "x=@/nowhere/at/all"] {
            assert!(secret_header(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn warnings_name_the_place() {
        let warning =
            json!({ "pointer": "/paths/~1pets/get", "line": 12, "message": "callbacks are left out" });
        assert_eq!(describe(&warning), "warning: line 12, /paths/~1pets/get: callbacks are left out");
    }
}
