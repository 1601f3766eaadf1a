use zeroize::Zeroizing;

/// What a request to AWS is signed with. Wiped when it goes.
pub(crate) struct Credentials {
    pub(crate) id: String,
    pub(crate) secret: Zeroizing<String>,
    /// Of those that end by themselves.
    pub(crate) session: Option<Zeroizing<String>>,
}

impl Credentials {
    /// Reads a file as AWS's own programs have it: the profile `[default]`, with `aws_access_key_id`, `aws_secret_access_key` and, for those that end,
    /// `aws_session_token`. In words what is missing.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (mut is_default, mut found) = (false, [None; 3]);
        const NAMES: [&str; 3] = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];
        for line in text.lines().map(str::trim) {
            if let Some(profile) = line.strip_prefix('[') {
                is_default = profile.strip_suffix(']').map(str::trim) == Some("default");
            } else if let (true, Some((name, value))) = (is_default, line.split_once('=')) {
                let place = NAMES.iter().position(|known| *known == name.trim());
                if let Some(value_found) = place.and_then(|place| found.get_mut(place)) {
                    *value_found = Some(value.trim()).filter(|value| !value.is_empty());
                }
            }
        }
        let [id, secret, session] = found;
        let (Some(id), Some(secret)) = (id, secret) else {
            return Err("has no aws_access_key_id and aws_secret_access_key below a line [default]");
        };
        if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("has an aws_access_key_id that is none");
        }
        Ok(Self {
            id: id.to_owned(),
            secret: Zeroizing::new(secret.to_owned()),
            session: session.map(|session| Zeroizing::new(session.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, String, Option<String>), &'static str> {
        let Credentials { id, secret, session } = Credentials::parse(text)?;
        Ok((id, secret.to_string(), session.map(|session| session.to_string())))
    }

    #[test]
    fn the_default_profile_is_taken_and_no_other() {
        let text = "# of the vault\n[other]\naws_access_key_id = B\n[default]\naws_access_key_id=AKID\n aws_secret_access_key = a/b+c= \nregion = x\n";
        assert_eq!(read(text), Ok(("AKID".to_owned(), "a/b+c=".to_owned(), None)));
        let text = "[ default ]\r\naws_access_key_id = AKID\r\naws_secret_access_key = s\r\naws_session_token = t==\r\n[other]\naws_session_token = u";
        assert_eq!(read(text), Ok(("AKID".to_owned(), "s".to_owned(), Some("t==".to_owned()))));
        for text in [
            "",
            "aws_access_key_id = A\naws_secret_access_key = s",
            "[other]\naws_access_key_id = A\naws_secret_access_key = s",
            "[default]\naws_access_key_id = A",
            "[default]\naws_access_key_id =\naws_secret_access_key = s",
            "[default]\naws_access_key_id = A\nB\n",
            "[default]\naws_access_key_id = A/B\naws_secret_access_key = s",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
