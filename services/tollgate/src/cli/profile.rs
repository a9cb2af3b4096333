//! Where Tollgate is and what proves who asks: arguments, then the environment, then a profile.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

use super::{Connection, Failure};

const DEFAULT_ADDRESS: &str = "http://127.0.0.1:8081";
const TOKEN: &str = "TOLLGATE_TOKEN";

/// One section of `profiles.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Profile {
    address: Option<String>,
    token: Option<SecretString>,
}

/// What a request needs.
#[derive(Debug)]
pub(super) struct Access {
    /// Address of the console.
    pub(super) address: String,
    /// The bearer token.
    pub(super) token: SecretString,
}

impl Access {
    /// Gathers it for a command.
    pub(super) fn of(connection: &Connection) -> Result<Self, Failure> {
        let profile = match &connection.profile {
            Some(name) => load(name)?,
            None => Profile::default(),
        };
        let from_environment = std::env::var(TOKEN).ok().filter(|token| !token.is_empty());
        let token = from_environment.map(SecretString::from).or(profile.token);
        let token = token.ok_or_else(|| {
            Failure::credentials(format!("no token: set {TOKEN}, or name a --profile that has one"))
        })?;
        let address = connection.address.clone().or(profile.address);
        Ok(Self { address: address.unwrap_or_else(|| DEFAULT_ADDRESS.to_owned()), token })
    }
}

fn load(name: &str) -> Result<Profile, Failure> {
    let path = path().ok_or_else(|| Failure::failed("no home directory to look for profiles.toml in"))?;
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Failure::failed(format!("cannot read {}: {error}", path.display())))?;
    read(&text, name).map_err(|fault| Failure::failed(format!("{}: {fault}", path.display())))
}

fn read(text: &str, name: &str) -> Result<Profile, String> {
    let mut profiles: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let known = profiles.keys().cloned().collect::<Vec<_>>().join(", ");
    let profile = profiles.remove(name).ok_or_else(|| format!("no profile {name}; there are: {known}"))?;
    Profile::deserialize(profile).map_err(|error| error.to_string())
}

/// `$XDG_CONFIG_HOME/tollgate/profiles.toml`, below `~/.config` by default.
fn path() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")))?;
    Some(config.join("tollgate/profiles.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILES: &str =
        "[live]\naddress = \"https://console.example.com\"\ntoken = \"tgt_1\"\n[typo]\ntokn = \"x\"";

    #[test]
    fn a_profile_gives_address_and_token() {
        let live = read(PROFILES, "live").unwrap();
        assert_eq!(live.address.as_deref(), Some("https://console.example.com"));
        assert!(live.token.is_some());
    }

    #[test]
    fn an_unknown_profile_or_key_is_named() {
        assert!(read(PROFILES, "prod").unwrap_err().contains("live, typo"));
        assert!(read(PROFILES, "typo").unwrap_err().contains("tokn"));
    }
}
