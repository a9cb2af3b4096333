//! The configuration of `tollgate serve` and its relatives. `docs/CONFIGURATION.md` lists every key.
//!
//! A role reads only its own sections: a gateway starts without a database.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::config::{ConfigError, load};
use common::mail::Mailer;
use common::secret::derive;
use common::vault::Vault;
use contracts::Role;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Fewest characters of a secret between roles.
const MIN_SECRET: usize = 32;
const DEFAULTS: &str = include_str!("config.default.toml");

/// Everything that can be configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// For every role.
    pub(crate) common: Common,
    /// Address of each role's inner side, for example `http://10.0.0.5:9101`.
    pub(crate) roles: BTreeMap<Role, String>,
    /// The role `tenants`.
    pub(crate) tenants: Store<tenants::Config>,
    /// The role `apis`.
    pub(crate) apis: Store<apis::Config>,
    /// The role `metering`.
    pub(crate) metering: Store<metering::Config>,
    /// The role `billing`.
    pub(crate) billing: Store<billing::Config>,
    /// The role `portal`.
    pub(crate) portal: Portal,
    /// The role `admin`.
    pub(crate) admin: Admin,
    /// The role `gateway`.
    pub(crate) gateway: Gateway,
}

/// For every role.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Common {
    /// What every role's service token is derived from, and checked against by the roles that answer others: at least 32
    /// characters. The gateway and admin need only their own token.
    pub(crate) service_secret: SecretString,
    /// What this process proves itself to other roles with; empty = derived from the secret.
    pub(crate) service_token: SecretString,
    /// Master keys of the vault, newest first, each `name:<base64 of 32 bytes>`.
    pub(crate) vault_keys: Vec<SecretString>,
    /// Region shown in ARNs and to AWS clients.
    pub(crate) region: String,
    /// Logs.
    pub(crate) log: Log,
    /// Mail.
    pub(crate) mail: Mail,
    /// Redis.
    pub(crate) redis: Redis,
}

/// How logs look.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    /// `text` or `json`.
    pub(crate) format: LogFormat,
    /// Filter in the syntax of tracing's `EnvFilter`; `RUST_LOG` wins.
    pub(crate) filter: String,
}

/// Shape of a log line.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Where mail goes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mail {
    /// `smtp://` or `smtps://` address of the server; empty = files in `directory`.
    pub(crate) url: SecretString,
    /// Where files go without a server.
    pub(crate) directory: PathBuf,
    /// Sender.
    pub(crate) from: String,
}

/// What is shared by processes and need not last.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redis {
    /// `redis://` or `rediss://` address of the server; empty = there is none.
    pub(crate) url: SecretString,
    /// What every key begins with: installations that use one server need different ones.
    pub(crate) prefix: String,
}

/// A role with a database.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Store<S> {
    /// Where the role answers other roles and the operator.
    pub(crate) internal: SocketAddr,
    /// Its database.
    pub(crate) database: Database,
    /// What is particular to it.
    pub(crate) settings: S,
}

/// A role's database.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    /// What the role connects to: `postgres://…` or `sqlite://…`.
    pub(crate) url: SecretString,
    /// Who owns the tables, for `tollgate migrate`; empty = the same as `url`.
    pub(crate) migration_url: SecretString,
    /// Most connections of one process.
    pub(crate) max_connections: u32,
}

/// The role `portal`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Portal {
    /// Where app developers reach it.
    pub(crate) listen: SocketAddr,
    /// Where the role answers other roles and the operator.
    pub(crate) internal: SocketAddr,
    /// Its database.
    pub(crate) database: Database,
    /// What is particular to it.
    pub(crate) settings: portal::Config,
}

/// The role `admin`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admin {
    /// Where members reach it.
    pub(crate) listen: SocketAddr,
    /// Where it answers the operator.
    pub(crate) internal: SocketAddr,
    /// What is particular to it.
    pub(crate) settings: admin::Config,
}

/// The role `gateway`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gateway {
    /// Where calls arrive.
    pub(crate) listen: SocketAddr,
    /// Address of the fleet as clients see it, for example `https://api.example.com`.
    pub(crate) public_url: String,
    /// Where it answers the operator.
    pub(crate) internal: SocketAddr,
    /// What is particular to it.
    pub(crate) settings: gateway::Config,
}

/// What a configuration is read for: it decides which secrets must be there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// To run a role.
    Serve(Role),
    /// To call roles as the operator, in the name of admin.
    Operate,
    /// To work on databases alone.
    Migrate,
    /// To run every role.
    Everything,
}

impl Purpose {
    /// Roles that keep secrets in the vault.
    fn needs_vault(self) -> bool {
        matches!(self, Self::Everything | Self::Serve(Role::Tenants | Role::Apis | Role::Metering))
    }

    /// Roles that answer others check their tokens; the edges without answers only send one.
    fn needs_secret(self) -> bool {
        match self {
            Self::Serve(role) => !matches!(role, Role::Gateway | Role::Admin),
            Self::Everything => true,
            Self::Operate | Self::Migrate => false,
        }
    }
}

/// The token with which `role` proves itself to the others.
pub(crate) fn service_token(secret: &SecretString, role: Role) -> common::Result<SecretString> {
    Ok(derive(secret.expose_secret().as_bytes(), role.as_str())?.into())
}

impl Config {
    /// Reads the defaults, the file and this process's `TOLLGATE__…` variables.
    pub(crate) fn read(file: Option<&Path>, purpose: Purpose) -> Result<Self> {
        let text = match file {
            Some(path) => {
                let text = std::fs::read_to_string(path);
                Some(text.with_context(|| format!("cannot read {}", path.display()))?)
            }
            None => None,
        };
        let name = file.map(|path| path.display().to_string()).unwrap_or_default();
        let file = text.as_deref().map(|text| (name.as_str(), text));
        Ok(Self::layered(file, &std::env::vars().collect(), purpose)?)
    }

    /// Reads the layers and checks them.
    fn layered(
        file: Option<(&str, &str)>,
        environment: &BTreeMap<String, String>,
        purpose: Purpose,
    ) -> Result<Self, ConfigError> {
        let config: Self = load(DEFAULTS, file, environment)?;
        config.check(purpose)?;
        Ok(config)
    }

    /// Everything that would fail later, in one go.
    fn check(&self, purpose: Purpose) -> Result<(), ConfigError> {
        let mut faults = Vec::new();
        let long = |secret: &SecretString| secret.expose_secret().len() >= MIN_SECRET;
        let (secret, token) = (&self.common.service_secret, &self.common.service_token);
        if purpose.needs_secret() && !long(secret) {
            faults.push(format!("common.service_secret: at least {MIN_SECRET} characters are needed"));
        } else if !matches!(purpose, Purpose::Migrate) && !long(secret) && !long(token) {
            faults.push(format!(
                "common.service_token: at least {MIN_SECRET} characters are needed, or common.service_secret"
            ));
        }
        if purpose.needs_vault()
            && let Err(error) = Vault::from_keys(&self.common.vault_keys)
        {
            faults.push(format!("common.vault_keys: {error}"));
        }
        if let Err(error) = self.mailer() {
            faults.push(format!("common.mail: {error}"));
        }
        if let Err(error) = self.redis() {
            faults.push(format!("common.redis.url: {}", error.cause.unwrap_or(error.message)));
        }
        if faults.is_empty() { Ok(()) } else { Err(ConfigError { faults }) }
    }

    /// The vault, where there are keys for one.
    pub(crate) fn vault(&self) -> Result<Option<Vault>> {
        match self.common.vault_keys.as_slice() {
            [] => Ok(None),
            keys => Ok(Some(Vault::from_keys(keys)?)),
        }
    }

    /// What this process proves itself with when it is `role`.
    pub(crate) fn token_of(&self, role: Role) -> common::Result<SecretString> {
        let own = &self.common.service_token;
        if own.expose_secret().is_empty() {
            return service_token(&self.common.service_secret, role);
        }
        Ok(own.clone())
    }

    /// Where mail goes.
    pub(crate) fn mailer(&self) -> common::Result<Mailer> {
        let mail = &self.common.mail;
        match mail.url.expose_secret() {
            "" => Mailer::files(&mail.directory, &mail.from),
            url => Mailer::smtp(url, &mail.from),
        }
    }

    /// The Redis of the installation, if it has one.
    pub(crate) fn redis(&self) -> common::Result<Option<gateway::Redis>> {
        let redis = &self.common.redis;
        match redis.url.expose_secret() {
            "" => Ok(None),
            url => gateway::Redis::new(url, &redis.prefix).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The secrets that no file in the repository holds.
    fn secrets() -> BTreeMap<String, String> {
        let vault_keys = format!("[\"{}\"]", Vault::generate_key("1"));
        let secrets = [("SERVICE_SECRET", "x".repeat(32)), ("VAULT_KEYS", vault_keys)];
        secrets.map(|(name, value)| (format!("TOLLGATE__COMMON__{name}"), value)).into()
    }

    fn toml_files(directory: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
        let paths = entries.flat_map(|entry| match entry.file_type().unwrap().is_dir() {
            true if entry.file_name() == "node_modules" => Vec::new(),
            true => toml_files(&entry.path()),
            false => vec![entry.path()],
        });
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect()
    }

    #[test]
    fn every_configuration_file_of_the_repository_is_read() {
        let files = toml_files(&testkit::repository().join("infra"));
        assert!(files.iter().any(|file| file.ends_with("docker/config.toml")), "{files:?}");
        for file in files {
            let (name, text) = (file.display().to_string(), std::fs::read_to_string(&file).unwrap());
            let read = Config::layered(Some((&name, &text)), &secrets(), Purpose::Everything);
            assert!(read.is_ok(), "{name}: {}", read.unwrap_err());
        }
    }

    #[test]
    fn the_configuration_that_the_split_deployment_writes_is_read() {
        let script = "import collections, pathlib, runpy, sys
split = runpy.run_path(sys.argv[1])
ports = collections.defaultdict(lambda: 1)
common = split['common_config'](pathlib.Path('/tmp'), ports, ports)
gateway = {'port': 1, 'ops_port': 2, 'data_dir': '/tmp'}
print(split['toml'](common if sys.argv[2] == 'roles' else split['gateway_config'](common, gateway, ports)))";
        let split = testkit::repository().join("infra/dev/split");
        for (whose, purpose) in [("roles", Purpose::Everything), ("gateway", Purpose::Serve(Role::Gateway))] {
            let output =
                Command::new("python3").args(["-c", script]).arg(&split).arg(whose).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let read = Config::layered(Some((whose, &text)), &BTreeMap::new(), purpose);
            assert!(read.is_ok(), "{}\n{text}", read.unwrap_err());
        }
    }

    #[test]
    fn a_role_is_asked_for_the_secrets_it_uses_and_no_other() {
        let read = |purpose, given: &[(&str, &str)]| {
            let variable =
                |(name, value): &(&str, &str)| (format!("TOLLGATE__COMMON__{name}"), (*value).to_owned());
            Config::layered(None, &given.iter().map(variable).collect(), purpose)
        };
        let long = "x".repeat(32);
        let (secret, token) = (("SERVICE_SECRET", long.as_str()), ("SERVICE_TOKEN", long.as_str()));
        for role in [Role::Gateway, Role::Admin] {
            assert!(read(Purpose::Serve(role), &[token]).is_ok(), "{role}");
            assert!(read(Purpose::Serve(role), &[]).is_err(), "{role}");
        }
        for role in [Role::Billing, Role::Portal] {
            assert!(read(Purpose::Serve(role), &[secret]).is_ok(), "{role}");
            assert!(read(Purpose::Serve(role), &[token]).is_err(), "{role}");
        }
        let vault_keys = secrets().remove("TOLLGATE__COMMON__VAULT_KEYS").unwrap();
        for role in [Role::Tenants, Role::Apis, Role::Metering] {
            assert!(read(Purpose::Serve(role), &[secret]).is_err(), "{role}");
            assert!(read(Purpose::Serve(role), &[secret, ("VAULT_KEYS", &vault_keys)]).is_ok(), "{role}");
        }
        assert!(read(Purpose::Migrate, &[]).is_ok());
    }

    #[test]
    fn every_role_has_a_token_of_its_own() {
        let secret = SecretString::from("x".repeat(32));
        let mut tokens: Vec<_> =
            Role::ALL.map(|role| service_token(&secret, role).unwrap().expose_secret().to_owned()).into();
        tokens.sort();
        tokens.dedup();
        assert_eq!(tokens.len(), Role::ALL.len());
    }
}
