//! The commands that speak to a running Tollgate through its admin API.
//!
//! Data goes to standard output, words about it to standard error. Knows the schema, no role and no store.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

mod api;
mod client;
mod profile;
mod requests;
mod usage;

/// What `--help` says about the exit code.
pub(crate) const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 refused because of the input, \
     4 refused because of the credentials";

/// Commands for providers.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish APIs
    #[command(subcommand, after_help = EXIT_CODES)]
    Api(api::Command),
    /// Show usage: calls, units and latency
    #[command(after_help = usage::EXAMPLES)]
    Usage(usage::Arguments),
    /// Single calls
    #[command(subcommand, after_help = EXIT_CODES)]
    Requests(requests::Command),
}

/// Where to find Tollgate and how to answer.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// Address of the console; that of `tollgate up` unless the profile has one
    #[arg(long, env = "TOLLGATE_ADDRESS", value_name = "URL")]
    address: Option<String>,
    /// Section of profiles.toml with `address` and `token`. `TOLLGATE_TOKEN` goes before its token
    #[arg(long, env = "TOLLGATE_PROFILE", value_name = "NAME")]
    profile: Option<String>,
    /// How to print data
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// How to print data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// For programs
    Json,
    /// A file of rows for spreadsheets: usage and requests alone
    Csv,
    /// A file with one JSON object per line: usage and requests alone
    Jsonl,
    /// A file of columns: usage and requests alone
    Parquet,
}

impl Output {
    /// The format of a file; absent for what is printed here.
    const fn file(self) -> Option<&'static str> {
        match self {
            Self::Table | Self::Json => None,
            Self::Csv => Some("csv"),
            Self::Jsonl => Some("jsonl"),
            Self::Parquet => Some("parquet"),
        }
    }
}

/// Why a command did not do what it should.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// Something is not reachable, not readable or broken.
    fn failed(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }

    /// An argument that only shows to be wrong while it is used.
    fn arguments(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }

    /// The input breaks a rule.
    fn refused(message: impl Into<String>) -> Self {
        Self { code: 3, message: message.into() }
    }

    /// The credentials are missing, wrong or too weak.
    fn credentials(message: impl Into<String>) -> Self {
        Self { code: 4, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Runs a command to its exit code.
pub(crate) async fn run(command: Command) -> ExitCode {
    let outcome = match command {
        Command::Api(command) => api::run(command).await,
        Command::Usage(arguments) => usage::run(arguments).await,
        Command::Requests(command) => requests::run(command).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&format!("error: {failure}"));
            ExitCode::from(failure.code)
        }
    }
}

/// Prints data. A reader that went away is no failure.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints words about the data.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
