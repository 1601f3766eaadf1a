//! The roles as a page of the documentation.

use core::fmt::Write;

use panvault_model::Role;
use panvault_vault::role_gives;

use crate::table::ENDPOINTS;

/// The table of roles and endpoints that requests are held against.
pub fn roles_markdown() -> String {
    let mut page = String::from(
        "# Roles\n\n\
         An API key has one role or several, and may do what any of them allows, in its own organisation and all below it; what none \
         allows is refused with 403 and code 113 before anything else is looked at. `Publishable` is a browser's: it stands alone, \
         learns nothing of a card but brand, last four digits and expiry, and works on pages of its `allowed_origins` only.\n\n",
    );
    heads("endpoint", &mut page);
    for endpoint in ENDPOINTS {
        let _ = write!(page, "| `{} {}` |", endpoint.method, endpoint.path);
        marks(endpoint.roles, &mut page);
    }
    page.push_str(
        "\n## Who gives which role\n\n\
         Who makes, changes, replaces or revokes an API key needs a role that gives every role of that key:\n\n",
    );
    heads("role", &mut page);
    for role in Role::ALL {
        let _ = write!(page, "| `{role}` |");
        marks(role_gives(*role), &mut page);
    }
    page
}

fn heads(first: &str, page: &mut String) {
    let _ = write!(page, "| {first} |");
    for role in Role::ALL {
        let _ = write!(page, " {role} |");
    }
    page.push_str("\n| --- |");
    page.push_str(&" :-: |".repeat(Role::ALL.len()));
    page.push('\n');
}

fn marks(roles: &[Role], page: &mut String) {
    for role in Role::ALL {
        page.push_str(if roles.contains(role) { " yes |" } else { " |" });
    }
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_as_the_table_says() {
        assert_eq!(include_str!("../../../docs/roles.md"), roles_markdown());
    }
}
