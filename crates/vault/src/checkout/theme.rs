//! How the page of a checkout looks: colours, a font of the browser's, and texts. Nothing of it is a style sheet or a document.

use crate::error::{Faults, FieldFault, VaultError};
use crate::limits::THEME_TEXT_BYTES_MAX;
use crate::text::text_fits;

/// Fonts that every browser has.
const FONTS: [&str; 3] = ["system", "serif", "mono"];
/// Pixels by which corners may be rounded.
const RADIUS_MAX: u8 = 24;

/// Notes what is wrong with a theme: pairs of names of the API and texts.
pub(crate) fn theme_fits(theme: &[(String, String)], faults: &mut Faults) -> Result<(), VaultError> {
    for (name, text) in theme {
        match name.as_str() {
            "primary_colour" if !is_colour(text) => {
                faults.field("checkout_theme.primary_colour", COLOUR);
            }
            "background_colour" if !is_colour(text) => {
                faults.field("checkout_theme.background_colour", COLOUR);
            }
            "text_colour" if !is_colour(text) => faults.field("checkout_theme.text_colour", COLOUR),
            "font" if !FONTS.contains(&text.as_str()) => {
                faults.field("checkout_theme.font", "must be system, serif or mono");
            }
            "radius" if theme_radius(text).is_none() => {
                faults.field("checkout_theme.radius", format_args!("must be 0 to {RADIUS_MAX}"));
            }
            "primary_colour" | "background_colour" | "text_colour" | "font" | "radius" => {}
            "title" | "button_text" | "footer_text" => {
                if text.chars().any(directs) {
                    let what =
                        "must not have characters that turn the writing around: the amount stands beside it";
                    faults.fault(FieldFault::new(format!("checkout_theme.{name}"), what));
                }
                faults.note(text_fits(format!("checkout_theme.{name}"), text, THEME_TEXT_BYTES_MAX))?;
            }
            _ => faults.field("checkout_theme", "has a member that no theme has"),
        }
    }
    Ok(())
}

/// Whether it says in which direction what follows is written, or ends a line (Unicode, annex 9, section 2): behind it `10.99` reads as `99.01`.
const fn directs(letter: char) -> bool {
    matches!(
        letter,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

const COLOUR: &str = "must be # and six hexadecimal digits";

fn is_colour(text: &str) -> bool {
    text.strip_prefix('#')
        .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The pixels by which corners are rounded.
pub fn theme_radius(text: &str) -> Option<u8> {
    let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|radius| is_number && *radius <= RADIUS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(name: &str, text: &str) -> bool {
        let mut faults = Faults::default();
        theme_fits(&[(name.to_owned(), text.to_owned())], &mut faults).unwrap();
        faults.end().is_ok()
    }

    #[test]
    fn a_theme_is_colours_a_font_and_texts() {
        for (name, text) in [
            ("primary_colour", "#00aAfF"),
            ("background_colour", "#ffffff"),
            ("text_colour", "#000000"),
            ("font", "mono"),
            ("radius", "0"),
            ("radius", "24"),
            ("title", "<b>Pay</b> & go"),
            ("button_text", "ادفع"),
            ("footer_text", "Ask us: +31 30 1234567"),
        ] {
            assert!(fits(name, text), "{name} {text}");
        }
        for (name, text) in [
            ("primary_colour", "red"),
            ("primary_colour", "#fff"),
            ("background_colour", "#ffffff;x"),
            ("text_colour", "url(//evil.example)"),
            ("font", "Comic Sans"),
            ("radius", "25"),
            ("radius", "-1"),
            ("radius", "1e1"),
            ("radius", "+1"),
            ("title", "4111 1111 1111 1111"),
            ("title", "a\nb"),
            ("button_text", "Pay \u{202e}"),
            ("footer_text", "a\u{2028}b"),
            ("title", "\u{2067}a"),
            ("style", "x"),
        ] {
            assert!(!fits(name, text), "{name} {text}");
        }
        assert!(fits("title", &"a".repeat(THEME_TEXT_BYTES_MAX)));
        assert!(!fits("title", &"a".repeat(THEME_TEXT_BYTES_MAX + 1)));
    }
}
