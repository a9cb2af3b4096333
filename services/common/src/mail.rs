//! Sending mail: over SMTP in production, into files in the embedded default.
//!
//! Owns the transport alone; texts belong to the role that sends them.

use std::path::{Path, PathBuf};

use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Body, Mailbox, Message};
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::{AsyncFileTransport, AsyncTransport, Tokio1Executor};

use crate::error::{Error, Result};

/// A plain-text mail.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Receiver's address.
    pub to: String,
    /// Subject line.
    pub subject: String,
    /// Text body.
    pub body: String,
}

/// Where mail goes.
#[derive(Debug, Clone)]
pub enum Mailer {
    /// A mail server.
    Smtp {
        /// The pooled connection.
        transport: AsyncSmtpTransport<Tokio1Executor>,
        /// Sender of every mail.
        from: Mailbox,
    },
    /// One `.eml` file per mail in a directory.
    Files {
        /// The directory; made when the first mail is sent.
        directory: PathBuf,
        /// Sender of every mail.
        from: Mailbox,
    },
}

impl Mailer {
    /// A mailer over SMTP; `url` as lettre reads it, for example `smtps://user:pass@mail.example.com`.
    pub fn smtp(url: &str, from: &str) -> Result<Self> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|error| Error::invalid("mail.url", error.to_string()))?
            .build();
        Ok(Self::Smtp { transport, from: mailbox("mail.from", from)? })
    }

    /// A mailer that writes files.
    pub fn files(directory: &Path, from: &str) -> Result<Self> {
        Ok(Self::Files { directory: directory.to_owned(), from: mailbox("mail.from", from)? })
    }

    /// Sends one mail. The caller decides whether a failure matters.
    pub async fn send(&self, mail: Mail) -> Result<()> {
        let (Self::Smtp { from, .. } | Self::Files { from, .. }) = self;
        let body = match self {
            Self::Smtp { .. } => Body::new(mail.body),
            Self::Files { .. } => readable(&mail.body),
        };
        let message = Message::builder()
            .from(from.clone())
            .to(mailbox("email", &mail.to)?)
            .subject(mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(Error::internal)?;
        match self {
            Self::Smtp { transport, .. } => {
                transport
                    .send(message)
                    .await
                    .map_err(|error| Error::unavailable("the mail server", error))?;
            }
            Self::Files { directory, .. } => {
                tokio::fs::create_dir_all(directory).await.map_err(Error::internal)?;
                let transport = AsyncFileTransport::<Tokio1Executor>::new(directory);
                transport.send(message).await.map_err(Error::internal)?;
            }
        }
        Ok(())
    }
}

/// The address in the one form under which it is stored and compared: trimmed, lower case. Fails when it is none, or
/// longer than 254 characters (RFC 5321, 4.5.3.1.3).
pub fn normalize_address(field: &str, text: &str) -> Result<String> {
    let address = text.trim().to_lowercase();
    if address.len() > 254 || address.parse::<lettre::Address>().is_err() {
        return Err(Error::invalid(field, "is not an e-mail address"));
    }
    Ok(address)
}

/// A text as it is, so that a person reading the file can follow a link in it: no line folded, no letter escaped, which a
/// mail server may ask for and a file does not.
fn readable(text: &str) -> Body {
    Body::dangerous_pre_encoded(text.replace('\n', "\r\n").into_bytes(), ContentTransferEncoding::EightBit)
}

fn mailbox(field: &str, address: &str) -> Result<Mailbox> {
    address.parse().map_err(|_| Error::invalid(field, "is not an e-mail address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stands_whole_in_the_file_of_a_mail() {
        let link = format!("http://demo.localhost:8082/set-password?token={}", "a".repeat(90));
        let body = readable(&format!("Hello Zoë,\n\n{link}\n")).into_vec();
        assert_eq!(String::from_utf8(body).unwrap(), format!("Hello Zoë,\r\n\r\n{link}\r\n"));
    }

    #[test]
    fn an_address_has_one_form() {
        assert_eq!(normalize_address("email", "  Ann@Example.COM ").unwrap(), "ann@example.com");
        for broken in ["", "ann", "ann@", "@example.com", "a b@example.com", "Ann <ann@example.com>"] {
            assert!(normalize_address("email", broken).is_err(), "{broken}");
        }
        assert!(normalize_address("email", &format!("{}@example.com", "a".repeat(250))).is_err());
    }
}
