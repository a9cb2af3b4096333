//! Preflights of browsers: answered by the gateway unless the API has an `OPTIONS` method of its own.
//!
//! A preflight carries no key and counts for nothing. It is answered for unknown paths too: otherwise a script could not
//! read the refusal that follows.

use actix_http::Method as HttpMethod;
use apidef::matcher::Lookup;
use apidef::model::{Verb, VerbSet};
use apidef::path::RequestPath;

use super::Cx;
use crate::answer::Answer;
use crate::snapshot::Stage;

/// The answer, when the request is a preflight that the gateway answers.
pub(crate) fn answer(cx: &Cx<'_>, stage: &Stage, path: Option<&RequestPath<'_>>) -> Option<Answer> {
    if cx.request.head().method != HttpMethod::OPTIONS {
        return None;
    }
    let policy = stage.cors.as_ref()?;
    let origin = cx.origin()?;
    cx.header("access-control-request-method")?;
    let verbs = match path.map(|path| stage.matcher.find(path, Verb::Options)) {
        Some(Lookup::WrongVerb(verbs)) => verbs,
        Some(Lookup::Found(found)) => {
            let method = stage.methods.get(found.method.0 as usize);
            if method.is_some_and(|method| method.verb == Verb::Options) {
                return None;
            }
            every_verb()
        }
        Some(Lookup::NoPath) | None => every_verb(),
    };
    Some(policy.preflight(origin, cx.header("access-control-request-headers"), verbs))
}

fn every_verb() -> VerbSet {
    let mut all = VerbSet::default();
    all.insert(Verb::Any);
    all
}
