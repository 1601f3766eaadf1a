/// The manual page, from what `panvault --help` prints.
pub(super) fn page(help: &str, version: &str) -> String {
    let about = help.lines().next().unwrap_or_default().trim_end_matches('.');
    let about = about.strip_prefix("A ").unwrap_or(about);
    let mut page = format!(
        ".TH PANVAULT 1 \"\" \"panvault {version}\"\n\
         .SH NAME\npanvault \\- {}\n\
         .SH SYNOPSIS\n.B panvault\n.I command\n[\\fIoption\\fR ...]\n\
         .SH DESCRIPTION\n\
         Panvault keeps payment cards and hands out tokens for them.\n\
         .B panvault setup\nmakes a vault with all that a first token needs,\n\
         .B panvault serve\nserves it, and\n\
         .B panvault \\fIcommand\\fB --help\nsays what each command takes.\n\
         .SH COMMANDS\n",
        escaped(about)
    );
    for (name, what) in commands(help) {
        page.push_str(&format!(".TP\n.B {}\n{}\n", escaped(name), escaped(what)));
    }
    page.push_str(
        ".SH FILES\n\
         .TP\n.I /etc/panvault/panvault.toml\nThe settings.\n\
         .TP\n.I /etc/panvault/keys/vault.slot-key\nThe key file. Nothing in the vault opens without it.\n\
         .TP\n.I /var/lib/panvault/vault\nThe vault.\n\
         .TP\n.I /usr/share/doc/panvault\nHow to run it (running.md) and how to call it (guide.md).\n\
         .SH EXIT STATUS\n0 is success, 1 an error, 2 a command line that cannot be read.\n",
    );
    page
}

/// The commands of a help text, each with what it does.
pub(super) fn commands(help: &str) -> impl Iterator<Item = (&str, &str)> {
    let behind = help.split_once("\nCommands:\n").map_or("", |(_, behind)| behind);
    let lines = behind.lines().take_while(|line| line.starts_with("  "));
    lines.filter_map(|line| line.trim().split_once("  ").map(|(name, what)| (name, what.trim())))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "A self-hosted vault for payment cards\n\nUsage: panvault <COMMAND>\n\nCommands:\n  dev    Serve a \
                        test vault\n  serve  Serve a vault\n\nOptions:\n  -h, --help  Print help\n";

    #[test]
    fn every_command_is_in_the_page() {
        let found: Vec<_> = commands(HELP).collect();
        assert_eq!(found, [("dev", "Serve a test vault"), ("serve", "Serve a vault")]);
        let page = page(HELP, "1.2.3");
        for part in ["panvault \\- self\\-hosted vault", ".B dev\nServe a test vault\n", "panvault 1.2.3"] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
}
