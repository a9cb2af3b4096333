//! JSON bodies with a bound, for HTTP edges.

use actix_web::{HttpMessage, HttpRequest, web};
use serde::de::DeserializeOwned;

use crate::error::{Code, Error, Result};

/// Reads a JSON body of at most `limit` bytes.
///
/// Only `application/json`: a page of another origin cannot send that without asking first.
pub async fn read_json<T: DeserializeOwned>(
    request: &HttpRequest,
    body: web::Payload,
    limit: usize,
) -> Result<T> {
    if request.content_type() != "application/json" {
        return Err(Error::new(Code::Invalid, "content_type", "the content type must be application/json"));
    }
    let body = match body.to_bytes_limited(limit).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => {
            return Err(
                Error::new(Code::Invalid, "malformed_body", "the body could not be read").because(error)
            );
        }
        Err(_) => {
            let message = format!("the body must not be larger than {} KB", limit >> 10);
            return Err(Error::new(Code::PayloadTooLarge, "body_too_large", message));
        }
    };
    serde_json::from_slice(&body)
        .map_err(|error| Error::new(Code::Invalid, "malformed_body", format!("unexpected body: {error}")))
}
