//! What a member's role allows.

use std::str::FromStr;

use common::Error;
use contracts::Permission;

/// A member's role in a tenant. Each allows all that the next one allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberRole {
    /// Everything.
    Owner,
    /// Everything but changing the organization itself.
    Admin,
    /// Works on APIs, keys and what is sold; sees no secrets of customers and makes no tokens.
    Developer,
    /// Reads, without secrets.
    Viewer,
}

impl MemberRole {
    const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Developer, Self::Viewer];

    /// The name as it is stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Viewer => "viewer",
        }
    }

    /// What the role allows.
    pub(crate) fn permissions(self) -> Vec<Permission> {
        Permission::ALL.iter().copied().filter(|permission| self.allows(*permission)).collect()
    }

    fn allows(self, permission: Permission) -> bool {
        let reads = permission.as_str().ends_with(":read");
        match self {
            Self::Owner => true,
            Self::Admin => permission != Permission::OrganizationWrite,
            Self::Developer => {
                let kept = [Permission::OrganizationWrite, Permission::TokensWrite, Permission::KeysReveal];
                !kept.contains(&permission)
            }
            Self::Viewer => reads,
        }
    }
}

impl FromStr for MemberRole {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| Error::internal(format!("no member role {text}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_allows_all_that_the_next_one_allows() {
        for pair in MemberRole::ALL.windows(2) {
            let (more, fewer) = (pair[0].permissions(), pair[1].permissions());
            assert!(fewer.iter().all(|permission| more.contains(permission)), "{pair:?}");
            assert!(fewer.len() < more.len(), "{pair:?}");
        }
    }

    #[test]
    fn a_viewer_changes_nothing_and_sees_no_secret() {
        let permissions = MemberRole::Viewer.permissions();
        assert!(permissions.contains(&Permission::ApisRead));
        assert!(permissions.iter().all(|permission| permission.as_str().ends_with(":read")));
    }

    #[test]
    fn roles_are_read_back_as_written() {
        for role in MemberRole::ALL {
            assert_eq!(role.as_str().parse::<MemberRole>().unwrap(), role);
        }
    }
}
