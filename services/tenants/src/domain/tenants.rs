//! Short names of organizations.

/// Most characters of a short name: it is a host name label, with room for a suffix.
const MAX_SLUG: usize = 40;

/// Labels that hosts of Tollgate use themselves.
const RESERVED: [&str; 12] = [
    "admin",
    "api",
    "apis",
    "app",
    "assets",
    "console",
    "docs",
    "execute-api",
    "localhost",
    "portal",
    "status",
    "www",
];

/// The short name an organization would like: letters and digits of its name, everything else as single hyphens.
/// `None` when nothing usable is left.
pub(crate) fn wanted_slug(name: &str) -> Option<String> {
    let mut slug = String::new();
    for character in name.chars().flat_map(char::to_lowercase) {
        if character.is_ascii_alphanumeric() {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= MAX_SLUG {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    let usable = !slug.is_empty() && !RESERVED.contains(&slug);
    usable.then(|| slug.to_owned())
}

/// The short name to use: the wanted one, or with `suffix` when that is taken or there is none.
pub(crate) fn suffixed_slug(wanted: Option<&str>, suffix: &str) -> String {
    format!("{}-{}", wanted.unwrap_or("org"), suffix.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_a_host_name_label() {
        let cases = [
            ("Acme", Some("acme")),
            ("Acme Widgets, Inc.", Some("acme-widgets-inc")),
            ("  --Über 9000--  ", Some("ber-9000")),
            ("株式会社", None),
            ("www", None),
        ];
        for (name, slug) in cases {
            assert_eq!(wanted_slug(name).as_deref(), slug, "{name}");
        }
        assert!(wanted_slug(&"a".repeat(200)).unwrap().len() <= MAX_SLUG);
    }
}
