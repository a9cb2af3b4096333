//! Edits of the document: each checks first and changes nothing when it fails.
//!
//! They know nothing of revisions and storage; whoever stores the document compares and swaps.

use common::{Code, FieldError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::validate::{check_cors, check_integration, check_method, check_name, check_upstream, join};
use super::{Api, Cors, DEFAULT_ROUTE, Integration, Method, Problem, Resource, Upstream, Verb};
use crate::MAX_RESOURCES;
use crate::path::{PathTemplate, TemplateFault};

/// Why an edit is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EditError {
    /// The resource path is none.
    #[error("{path} is not a resource path: {fault}")]
    Path {
        /// As given.
        path: String,
        /// What is wrong with it.
        fault: TemplateFault,
    },
    /// There is no resource at the path.
    #[error("there is no resource {path}")]
    ResourceMissing {
        /// Its canonical path.
        path: String,
    },
    /// There is no such method.
    #[error("there is no method {verb} {path}")]
    MethodMissing {
        /// The resource's canonical path.
        path: String,
        /// The verb.
        verb: Verb,
    },
    /// A resource whose parameters have other names has the verb already.
    #[error("{verb} {path} matches the same requests as {verb} {taken_by}")]
    RouteTaken {
        /// The resource's canonical path.
        path: String,
        /// The verb.
        verb: Verb,
        /// The other resource.
        taken_by: String,
    },
    /// The root resource stays.
    #[error("the root resource cannot be deleted")]
    RootResource,
    /// The document would grow beyond [`MAX_RESOURCES`].
    #[error("an api has at most {MAX_RESOURCES} resources")]
    TooManyResources,
    /// What is put is not valid.
    #[error("{}", join(.0))]
    Invalid(Vec<Problem>),
}

impl From<EditError> for common::Error {
    fn from(error: EditError) -> Self {
        match error {
            EditError::ResourceMissing { .. } => Self::not_found("resource"),
            EditError::MethodMissing { .. } => Self::not_found("method"),
            EditError::RouteTaken { .. } => Self::new(Code::AlreadyExists, "route_taken", error.to_string()),
            EditError::TooManyResources => {
                Self::new(Code::LimitExceeded, "too_many_resources", error.to_string())
            }
            EditError::Path { .. } => Self::invalid("path", error.to_string()),
            EditError::RootResource => Self::new(Code::Conflict, "root_resource", error.to_string()),
            EditError::Invalid(problems) => {
                let field = |problem: Problem| FieldError { field: problem.path, message: problem.message };
                Self::invalid_fields(problems.into_iter().map(field).collect())
            }
        }
    }
}

/// One change of a document, as it is sent and stored. Each has a method of [`Api`] of the same name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "camelCase")]
pub enum Edit {
    /// Adds a resource and the parents it lacks.
    PutResource {
        /// Its path.
        path: String,
    },
    /// Removes a resource with all below it.
    DeleteResource {
        /// Its path.
        path: String,
    },
    /// Adds or replaces a method.
    PutMethod {
        /// The resource's path.
        path: String,
        /// The verb.
        verb: Verb,
        /// The whole method.
        method: Box<Method>,
    },
    /// Removes a method.
    DeleteMethod {
        /// The resource's path.
        path: String,
        /// The verb.
        verb: Verb,
    },
    /// Sets or replaces what a method calls.
    PutIntegration {
        /// The resource's path.
        path: String,
        /// The verb.
        verb: Verb,
        /// The whole integration.
        integration: Box<Integration>,
    },
    /// Sets the backend or removes it.
    SetUpstream {
        /// Absent: removed.
        upstream: Option<Upstream>,
    },
    /// Sets what browsers of other origins may do.
    SetCors {
        /// The whole policy.
        cors: Cors,
    },
    /// Changes texts of the API.
    SetTexts {
        /// What changes.
        texts: ApiTexts,
    },
    /// Changes texts of a method.
    SetMethodTexts {
        /// The resource's path.
        path: String,
        /// The verb.
        verb: Verb,
        /// What changes.
        texts: MethodTexts,
    },
}

/// New texts of the API; an absent field stays as it is, an empty text removes an optional one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiTexts {
    /// The name; not removable.
    pub name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// The version.
    pub version: Option<String>,
}

/// New texts of a method; an absent field stays as it is, an empty text removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MethodTexts {
    /// One line.
    pub summary: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Names of tags.
    pub tags: Option<Vec<String>>,
    /// Whether callers should stop using it.
    pub deprecated: Option<bool>,
}

impl Api {
    /// The document after all of the edits, applied in order.
    ///
    /// # Errors
    /// The position of the first edit that is refused, and why.
    pub fn edited(&self, edits: Vec<Edit>) -> Result<Self, (usize, EditError)> {
        let mut api = self.clone();
        for (at, edit) in edits.into_iter().enumerate() {
            api.apply(edit).map_err(|error| (at, error))?;
        }
        Ok(api)
    }

    /// Applies one edit.
    ///
    /// # Errors
    /// Why it is refused; the document is as it was.
    pub fn apply(&mut self, edit: Edit) -> Result<(), EditError> {
        match edit {
            Edit::PutResource { path } => self.put_resource(&path).map(drop),
            Edit::DeleteResource { path } => self.delete_resource(&path),
            Edit::PutMethod { path, verb, method } => self.put_method(&path, verb, *method),
            Edit::DeleteMethod { path, verb } => self.delete_method(&path, verb),
            Edit::PutIntegration { path, verb, integration } => {
                self.put_integration(&path, verb, *integration)
            }
            Edit::SetUpstream { upstream } => self.set_upstream(upstream),
            Edit::SetCors { cors } => self.set_cors(cors),
            Edit::SetTexts { texts } => self.set_texts(texts),
            Edit::SetMethodTexts { path, verb, texts } => self.set_method_texts(&path, verb, texts),
        }
    }

    /// Adds a resource and the parents it lacks; nothing happens when it is there. Answers its canonical path.
    ///
    /// # Errors
    /// The path is none, or there are too many resources.
    pub fn put_resource(&mut self, path: &str) -> Result<String, EditError> {
        if path == DEFAULT_ROUTE {
            self.resources.entry(path.to_owned()).or_default();
            return Ok(path.to_owned());
        }
        let template = parse(path)?;
        let canonical = template.canonical();
        let missing: Vec<String> = template
            .parents()
            .chain([canonical.clone()])
            .filter(|path| !self.resources.contains_key(path))
            .collect();
        if self.resources.len() + missing.len() > MAX_RESOURCES {
            return Err(EditError::TooManyResources);
        }
        self.resources.extend(missing.into_iter().map(|path| (path, Resource::default())));
        Ok(canonical)
    }

    /// Removes a resource, its methods and every resource below it.
    ///
    /// # Errors
    /// There is none, or it is the root.
    pub fn delete_resource(&mut self, path: &str) -> Result<(), EditError> {
        let path = self.key(path)?;
        if path == "/" {
            return Err(EditError::RootResource);
        }
        let below = format!("{path}/");
        self.resources.retain(|other, _| *other != path && !other.starts_with(&below));
        Ok(())
    }

    /// Adds or replaces a method.
    ///
    /// # Errors
    /// No such resource, another resource takes the same requests, or the method is not valid.
    pub fn put_method(&mut self, path: &str, verb: Verb, method: Method) -> Result<(), EditError> {
        let path = self.key(path)?;
        self.check_shape(&path, verb)?;
        refuse(check_method(self, &path, &method, ""))?;
        if let Some(resource) = self.resources.get_mut(&path) {
            resource.methods.insert(verb, method);
        }
        Ok(())
    }

    /// Removes a method.
    ///
    /// # Errors
    /// There is none.
    pub fn delete_method(&mut self, path: &str, verb: Verb) -> Result<(), EditError> {
        let path = self.key(path)?;
        let removed = self.resources.get_mut(&path).and_then(|resource| resource.methods.shift_remove(&verb));
        removed.map(drop).ok_or(EditError::MethodMissing { path, verb })
    }

    /// Sets or replaces what a method calls.
    ///
    /// # Errors
    /// There is no such method, or the integration is not valid.
    pub fn put_integration(
        &mut self,
        path: &str,
        verb: Verb,
        integration: Integration,
    ) -> Result<(), EditError> {
        let path = self.key(path)?;
        if self.method(&path, verb).is_none() {
            return Err(EditError::MethodMissing { path, verb });
        }
        refuse(check_integration(self, &path, &integration, ""))?;
        if let Some(method) = self.method_mut(&path, verb) {
            method.integration = Some(integration);
        }
        Ok(())
    }

    /// Sets the backend, or removes it with `None`.
    ///
    /// # Errors
    /// The URL or a header is not valid, or a method depends on the backend that is removed.
    pub fn set_upstream(&mut self, upstream: Option<Upstream>) -> Result<(), EditError> {
        refuse(upstream.as_ref().map(|upstream| check_upstream(upstream, "")).unwrap_or_default())?;
        if upstream.is_none() {
            let dependent = self.methods().find(|(_, _, method)| {
                method
                    .integration
                    .as_ref()
                    .and_then(|it| it.uri.as_deref())
                    .is_some_and(|uri| uri.starts_with('/'))
            });
            if let Some((path, verb, _)) = dependent {
                let message = format!("{verb} {path} is integrated with it");
                return Err(EditError::Invalid(vec![Problem { path: String::new(), message }]));
            }
        }
        self.upstream = upstream;
        Ok(())
    }

    /// Sets what browsers of other origins may do.
    ///
    /// # Errors
    /// The policy contradicts itself.
    pub fn set_cors(&mut self, cors: Cors) -> Result<(), EditError> {
        refuse(check_cors(&cors, ""))?;
        self.cors = cors;
        Ok(())
    }

    /// Changes texts of the API.
    ///
    /// # Errors
    /// The name is empty or too long.
    pub fn set_texts(&mut self, texts: ApiTexts) -> Result<(), EditError> {
        if let Some(name) = &texts.name {
            refuse(check_name(name, "/name"))?;
        }
        self.name = texts.name.unwrap_or_else(|| std::mem::take(&mut self.name));
        replace_text(&mut self.description, texts.description);
        replace_text(&mut self.version, texts.version);
        Ok(())
    }

    /// Changes texts of a method.
    ///
    /// # Errors
    /// There is no such method.
    pub fn set_method_texts(&mut self, path: &str, verb: Verb, texts: MethodTexts) -> Result<(), EditError> {
        let path = self.key(path)?;
        let method = self.method_mut(&path, verb).ok_or(EditError::MethodMissing { path, verb })?;
        replace_text(&mut method.summary, texts.summary);
        replace_text(&mut method.description, texts.description);
        if let Some(tags) = texts.tags {
            method.tags = tags;
        }
        method.deprecated = texts.deprecated.unwrap_or(method.deprecated);
        Ok(())
    }

    fn method_mut(&mut self, path: &str, verb: Verb) -> Option<&mut Method> {
        self.resources.get_mut(path)?.methods.get_mut(&verb)
    }

    /// The key of an existing resource, however its path is written.
    fn key(&self, path: &str) -> Result<String, EditError> {
        let canonical = if path == DEFAULT_ROUTE { path.to_owned() } else { parse(path)?.canonical() };
        if self.resources.contains_key(&canonical) {
            return Ok(canonical);
        }
        Err(EditError::ResourceMissing { path: canonical })
    }

    fn check_shape(&self, path: &str, verb: Verb) -> Result<(), EditError> {
        if path == DEFAULT_ROUTE {
            return Ok(());
        }
        let shape = parse(path)?.shape();
        let same_shape = |other: &str| PathTemplate::parse(other).is_ok_and(|other| other.shape() == shape);
        let taken =
            self.methods().find(|(other, taken, _)| *taken == verb && *other != path && same_shape(other));
        match taken {
            Some((taken_by, ..)) => {
                Err(EditError::RouteTaken { path: path.to_owned(), verb, taken_by: taken_by.to_owned() })
            }
            None => Ok(()),
        }
    }
}

fn parse(path: &str) -> Result<PathTemplate, EditError> {
    PathTemplate::parse(path).map_err(|fault| EditError::Path { path: path.to_owned(), fault })
}

fn refuse(problems: Vec<Problem>) -> Result<(), EditError> {
    if problems.is_empty() { Ok(()) } else { Err(EditError::Invalid(problems)) }
}

fn replace_text(slot: &mut Option<String>, text: Option<String>) {
    if let Some(text) = text {
        *slot = Some(text).filter(|text| !text.is_empty());
    }
}

#[cfg(test)]
mod tests;
