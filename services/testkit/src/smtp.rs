//! SMTP: a real server that keeps what it receives.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::place::{scratch_dir, venv_python};
use crate::process::{Process, start_on_free_port};
use crate::{PATIENCE, wait_until};

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Headers and body as sent, with the envelope in `X-MailFrom` and `X-RcptTo`.
    pub raw: String,
}

impl Mail {
    /// The first header `name`, unfolded; names compare without case.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.raw.split("\n\n").next()?.replace("\n ", " ").replace("\n\t", " ");
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    /// Everything after the headers.
    pub fn body(&self) -> &str {
        self.raw.split_once("\n\n").map_or("", |(_, body)| body)
    }
}

/// aiosmtpd on a port of its own, with a mailbox in a directory.
#[derive(Debug)]
pub struct TestSmtp {
    port: u16,
    mailbox: PathBuf,
    _process: Process,
}

impl TestSmtp {
    /// Starts the server.
    pub fn start() -> Result<Self> {
        let python = venv_python()?;
        let mailbox = scratch_dir("mail")?.join("box");
        let (process, port) = start_on_free_port(|port| {
            let mut command = Command::new(&python);
            command.args(["-m", "aiosmtpd", "-n", "-d", "-l", &format!("127.0.0.1:{port}")]);
            command.args(["-c", "aiosmtpd.handlers.Mailbox"]).arg(&mailbox);
            let mut process = Process::spawn("smtp", &command)?;
            process.wait_ready(|_| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())?;
            Ok(process)
        })?;
        Ok(Self { port, mailbox, _process: process })
    }

    /// The address, `smtp://127.0.0.1:PORT`; without TLS and without credentials.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Waits until `count` messages have arrived and answers all there are, oldest first.
    pub fn wait_for(&self, count: usize) -> Result<Vec<Mail>> {
        wait_until(PATIENCE, || self.received().is_ok_and(|mails| mails.len() >= count));
        let mails = self.received()?;
        ensure!(mails.len() >= count, "{} of {count} mails arrived within {PATIENCE:?}", mails.len());
        Ok(mails)
    }

    /// What has arrived so far, oldest first.
    pub fn received(&self) -> Result<Vec<Mail>> {
        let arrived = self.mailbox.join("new");
        if !arrived.exists() {
            return Ok(Vec::new());
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(&arrived)? {
            let entry = entry?;
            files.push((entry.metadata()?.modified()?, entry.path()));
        }
        files.sort();
        files
            .into_iter()
            .map(|(_, path)| {
                let raw = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                Ok(Mail { raw: String::from_utf8_lossy(&raw).replace("\r\n", "\n") })
            })
            .collect()
    }
}
