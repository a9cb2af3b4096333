//! A running Tollgate as tests see it: `up` in one process, or every role as its own process on real services.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Process, wait_until};
use ureq::Agent;
use ureq::http::Response;

/// The executable under test.
pub(crate) const TOLLGATE: &str = env!("CARGO_BIN_EXE_tollgate");

/// A running installation; ends when dropped.
pub(crate) struct Installation {
    /// What it printed once ready.
    pub(crate) line: Value,
    kind: Kind,
    /// Holds its data.
    directory: tempfile::TempDir,
}

enum Kind {
    Up(Option<Process>),
    Split,
}

impl Installation {
    /// `tollgate up` on a new data directory and free ports, with `more` options.
    pub(crate) fn up(more: &[&str]) -> Result<Self> {
        Self::up_in(tempfile::tempdir()?, more)
    }

    /// `tollgate up` on an existing data directory.
    pub(crate) fn up_in(directory: tempfile::TempDir, more: &[&str]) -> Result<Self> {
        let mut command = Command::new(TOLLGATE);
        command.args([
            "up",
            "--output",
            "json",
            "--gateway-port",
            "0",
            "--console-port",
            "0",
            "--portal-port",
            "0",
        ]);
        command.arg("--data-dir").arg(directory.path().join("data")).args(more);
        let mut process = Process::spawn("tollgate-up", &command)?;
        process.wait_ready(|process| process.stdout().ends_with('\n'))?;
        let line = serde_json::from_str(&process.stdout()).context("the line of tollgate up is not JSON")?;
        Ok(Self { line, kind: Kind::Up(Some(process)), directory })
    }

    /// Every role as its own process, with two gateways.
    pub(crate) fn split() -> Result<Self> {
        Self::split_with(2, &[])
    }

    /// Every role as its own process, with so many gateways and `more` options.
    pub(crate) fn split_with(gateways: usize, more: &[&str]) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let gateways = gateways.to_string();
        let up = ["up", "--gateways", &gateways, "--output", "json", "--binary", TOLLGATE];
        let output = split_command(&[&up, more].concat(), &directory)?;
        let line = serde_json::from_str(&output).context("the line of the split deployment is not JSON")?;
        Ok(Self { line, kind: Kind::Split, directory })
    }

    /// Stops an `up` as an operator would (SIGTERM) and answers its data directory for another start.
    pub(crate) fn stop(mut self) -> Result<tempfile::TempDir> {
        let Kind::Up(process) = &mut self.kind else { anyhow::bail!("only tollgate up is started again") };
        let process = process.take().context("stopped already")?;
        let status = process.terminate(Duration::from_secs(20))?;
        ensure!(status.success(), "tollgate up ended with {status}");
        Ok(std::mem::replace(&mut self.directory, tempfile::tempdir()?))
    }

    /// A text of the line, by JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.line
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("the line has no {pointer}"))
    }

    /// The data directory of an `up`.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Base addresses of all gateways.
    pub(crate) fn gateways(&self) -> Vec<String> {
        match self.line.get("gateways").and_then(Value::as_array) {
            Some(gateways) => {
                gateways.iter().filter_map(|gateway| gateway["url"].as_str()).map(str::to_owned).collect()
            }
            None => vec![self.text("/gateway").to_owned()],
        }
    }

    /// Runs a command of the executable with the configuration of the split deployment; answers what it prints.
    pub(crate) fn tollgate(&self, arguments: &[&str]) -> Result<String> {
        let config = self.directory.path().join("split/config.toml");
        let output = Command::new(TOLLGATE).args(arguments).arg("--config").arg(config).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "tollgate {arguments:?}: {errors}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Kills a process of the split deployment as a crash would, by its name (`metering`, `clickhouse`, ...).
    pub(crate) fn kill(&self, name: &str) -> Result<()> {
        let state = std::fs::read_to_string(self.directory.path().join("split/state.json"))?;
        let state: Value = serde_json::from_str(&state)?;
        let killed = Command::new("kill").args(["-9", &state[name]["pid"].to_string()]).status()?;
        ensure!(killed.success(), "{name} was not there to be killed");
        Ok(())
    }

    /// Starts a process of the split deployment that has ended, as often as it takes: what it left behind may have to go first.
    pub(crate) fn start(&self, name: &str) -> Result<()> {
        let mut started = self.try_start(name);
        wait_until(Duration::from_secs(30), || {
            if started.is_err() {
                started = self.try_start(name);
            }
            started.is_ok()
        });
        started
    }

    fn try_start(&self, name: &str) -> Result<()> {
        split_command(&["start", name], &self.directory).map(drop)
    }

    /// The directory of a process of the split deployment.
    pub(crate) fn directory_of(&self, name: &str) -> PathBuf {
        self.directory.path().join("split").join(name)
    }

    /// Rows of a query on the ClickHouse engine of the split deployment.
    pub(crate) fn clickhouse(&self, query: &str) -> Vec<Value> {
        let url = format!("{}/?database=tollgate", self.text("/clickhouse/url"));
        let mut answer = agent().post(url).send(format!("{query} FORMAT JSONEachRow")).unwrap();
        let text = answer.body_mut().with_config().limit(256 << 20).read_to_string().unwrap();
        assert_eq!(answer.status(), 200, "{text}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Rows of a query on PostgreSQL of the split deployment, as texts.
    pub(crate) fn postgres(&self, query: &str) -> Vec<Vec<String>> {
        let output =
            Command::new("psql").args(["-XAtc", query, self.text("/postgres/url")]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let rows = String::from_utf8(output.stdout).unwrap();
        rows.lines().map(|row| row.split('|').map(str::to_owned).collect()).collect()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if matches!(self.kind, Kind::Split) {
            // A straggler is reported by the script; the test's own result says more.
            let _ = split_command(&["down"], &self.directory);
        }
    }
}

fn split_command(arguments: &[&str], directory: &tempfile::TempDir) -> Result<String> {
    let script: PathBuf = testkit::repository().join("infra/dev/split");
    let output =
        Command::new(script).args(arguments).arg("--dir").arg(directory.path().join("split")).output()?;
    ensure!(
        output.status.success(),
        "infra/dev/split {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// An HTTP client that answers refusals like everything else.
pub(crate) fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into()
}

/// The GraphQL admin API with a bearer token.
pub(crate) struct Admin {
    agent: Agent,
    url: String,
    token: String,
}

impl Admin {
    /// The API at `url`.
    pub(crate) fn new(url: &str, token: &str) -> Self {
        Self { agent: agent(), url: url.to_owned(), token: token.to_owned() }
    }

    /// The `data` of an operation that must not fail.
    pub(crate) fn data(&self, query: &str, variables: impl Into<Value>) -> Value {
        let variables: Value = variables.into();
        let body = json!({ "query": query, "variables": variables });
        let request = self.agent.post(&self.url).header("authorization", format!("Bearer {}", self.token));
        let mut response = request.send_json(&body).unwrap();
        let mut answer: Value = response.body_mut().read_json().unwrap();
        assert!(answer.get("errors").is_none(), "{query}: {answer:#}");
        answer["data"].take()
    }

    /// The payload of a mutation that must succeed.
    pub(crate) fn mutate(&self, field: &str, input: impl Into<Value>, selection: &str) -> Value {
        let input_type = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
        let query = format!(
            "mutation($input: {input_type}!) {{ {field}(input: $input) {{ {selection} userErrors }} }}"
        );
        let mut payload = self.data(&query, json!({ "input": input.into() }))[field].take();
        assert_eq!(payload["userErrors"], json!([]), "{field}");
        payload.as_object_mut().unwrap().remove("userErrors");
        payload
    }
}

/// Status, headers and text of an answer.
pub(crate) struct Answer {
    /// Status.
    pub(crate) status: u16,
    /// Body.
    pub(crate) body: String,
    response: Response<()>,
}

impl Answer {
    /// A header's value, empty when absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// `GET url` with an API key.
pub(crate) fn call(agent: &Agent, url: &str, key: Option<&str>) -> Answer {
    let mut request = agent.get(url);
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    let mut response = request.call().unwrap();
    let body = response.body_mut().read_to_string().unwrap();
    let (parts, _) = response.into_parts();
    Answer { status: parts.status.as_u16(), body, response: Response::from_parts(parts, ()) }
}
