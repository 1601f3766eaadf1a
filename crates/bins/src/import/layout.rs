use crate::import::header::{Found, Header};

/// How a list is laid out. Every layout is CSV with a header; columns are found by their names, in any order and any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `BIN,Brand,Type,Category,Issuer,IssuerPhone,IssuerUrl,isoCode2,isoCode3,CountryName`
    BinListData,
    /// `iin_start,iin_end,number_length,number_luhn,scheme,brand,type,prepaid,country,bank_name,…`
    BinlistRanges,
    /// Any other, with the names of its columns.
    Csv(Vec<(Column, String)>),
}

macro_rules! columns {
    ($($(#[$meta:meta])* $name:ident $text:literal,)+) => {
        /// What a column can hold.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Column { $($(#[$meta])* $name,)+ }

        impl Column {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The one with that name.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|column| column.as_str() == text)
            }
        }
    };
}

columns! {
    /// The leading digits, 6 to 11.
    Bin "bin",
    /// The first of a range of leading digits.
    Start "start",
    /// The last of the range; empty where it is the first.
    End "end",
    /// The scheme: held against the digits, and not kept.
    Brand "brand",
    /// The bank.
    Issuer "issuer",
    /// Where it is, ISO 3166-1 alpha-2.
    Country "country",
    /// Credit, debit, prepaid or charge.
    Type "type",
    /// The product.
    Variant "variant",
    /// Whether it is prepaid.
    Prepaid "prepaid",
    /// Digits of a card number: held against the scheme, and not kept.
    Length "length",
    /// Whether card numbers have a check digit: held against the scheme, and not kept.
    Luhn "luhn",
}

/// Why a list is not laid out as it was said to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutFault {
    /// The first line is not one of names.
    #[error("the first line is no header of a CSV file")]
    Header,
    /// The first line is in another encoding.
    #[error("the list is not in UTF-8; save it as CSV in UTF-8")]
    NotUtf8,
    /// Columns are not there, or are there more than once.
    #[error("{}{found}", wrong(missing, twice))]
    Columns {
        /// Names that the first line does not have.
        missing: Vec<String>,
        /// Names that it has more than once.
        twice: Vec<String>,
        /// What it has.
        found: Found,
    },
    /// The layout names a column for one thing more than once.
    #[error("more than one column is named for {}", .0.as_str())]
    Repeated(Column),
    /// The layout says neither or both of `bin` and `start`.
    #[error("either bin, or start and end, must be named")]
    Digits,
}

/// All that is wrong with the columns, and a semicolon.
fn wrong(missing: &[String], twice: &[String]) -> String {
    let missing = match missing {
        [] => String::new(),
        [name] => format!("there is no column {name}; "),
        [most @ .., last] => format!("there are no columns {} and {last}; ", most.join(", ")),
    };
    twice.iter().fold(missing, |said, name| said + &format!("there is more than one column {name}; "))
}

const BIN_LIST_DATA: &[(Column, &str)] = &[
    (Column::Bin, "BIN"),
    (Column::Brand, "Brand"),
    (Column::Type, "Type"),
    (Column::Variant, "Category"),
    (Column::Issuer, "Issuer"),
    (Column::Country, "isoCode2"),
];

const BINLIST_RANGES: &[(Column, &str)] = &[
    (Column::Start, "iin_start"),
    (Column::End, "iin_end"),
    (Column::Length, "number_length"),
    (Column::Luhn, "number_luhn"),
    (Column::Brand, "scheme"),
    (Column::Variant, "brand"),
    (Column::Type, "type"),
    (Column::Prepaid, "prepaid"),
    (Column::Country, "country"),
    (Column::Issuer, "bank_name"),
];

/// Where in a line the columns are.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) delimiter: char,
    /// Cells that a line must have.
    pub(super) cells: usize,
    places: [Option<usize>; Column::ALL.len()],
}

impl Places {
    pub(super) fn at(&self, column: Column) -> Option<usize> {
        self.places.get(column as usize).copied().flatten()
    }

    /// Finds the columns in the header.
    pub(super) fn find(layout: &Layout, header: &[u8]) -> Result<Self, LayoutFault> {
        let own: Vec<(Column, &str)>;
        let columns = match layout {
            Layout::BinListData => BIN_LIST_DATA,
            Layout::BinlistRanges => BINLIST_RANGES,
            Layout::Csv(columns) => {
                own = columns.iter().map(|(column, name)| (*column, name.as_str())).collect();
                own.as_slice()
            }
        };
        let times = |wanted: Column| columns.iter().filter(|(column, _)| *column == wanted).count();
        if let Some((column, _)) = columns.iter().find(|(column, _)| times(*column) > 1) {
            return Err(LayoutFault::Repeated(*column));
        }
        let names = |wanted: Column| times(wanted) > 0;
        if names(Column::Bin) == names(Column::Start) || (names(Column::End) && !names(Column::Start)) {
            return Err(LayoutFault::Digits);
        }
        let wanted: Vec<&str> = columns.iter().map(|(_, name)| *name).collect();
        let header = Header::read(header, &wanted)?;
        let (mut missing, mut twice) = (Vec::new(), Vec::new());
        let mut places = [None; Column::ALL.len()];
        for (column, name) in columns {
            let mut found = header.places(name);
            let place = found.next();
            // Older lists of ranges say nothing of check digits.
            let may_be_missing = *layout == Layout::BinlistRanges && *column == Column::Luhn;
            let faults = if place.is_none() && !may_be_missing {
                &mut missing
            } else if found.next().is_some() {
                &mut twice
            } else {
                *places.get_mut(*column as usize).ok_or(LayoutFault::Header)? = place;
                continue;
            };
            // One column may be named for two things.
            if !faults.iter().any(|known| known == name) {
                faults.push((*name).to_owned());
            }
        }
        if missing.is_empty() && twice.is_empty() {
            return Ok(Self { delimiter: header.separator, cells: header.columns(), places });
        }
        Err(LayoutFault::Columns { missing, twice, found: header.found() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(columns: &[(&str, &str)]) -> Layout {
        let column = |(column, name): &(&str, &str)| (Column::parse(column).unwrap(), (*name).to_owned());
        Layout::Csv(columns.iter().map(column).collect())
    }

    #[test]
    fn columns_are_found_by_name_in_any_order_and_with_any_delimiter() {
        let layout = csv(&[("bin", "IIN"), ("issuer", "Bank")]);
        for (header, delimiter) in [
            ("Bank,x,iin", ','),
            ("bank;\"x,y\";IIN", ';'),
            ("\"bank\";\"x\";\"IIN\"", ';'),
            ("BANK\tx\tIIN", '\t'),
            ("\"BANK\"\t\"x\"\tIIN", '\t'),
        ] {
            let places = Places::find(&layout, header.as_bytes()).unwrap();
            assert_eq!((places.delimiter, places.cells), (delimiter, 3), "{header}");
            assert_eq!((places.at(Column::Issuer), places.at(Column::Bin)), (Some(0), Some(2)), "{header}");
            assert_eq!(places.at(Column::Country), None);
        }
    }

    fn fault(layout: &Layout, header: &[u8]) -> LayoutFault {
        Places::find(layout, header).unwrap_err()
    }

    #[test]
    fn refuses_headers_that_do_not_fit() {
        let layout = csv(&[("bin", "IIN"), ("issuer", "Bank")]);
        assert_eq!(fault(&layout, b""), LayoutFault::Header);
        assert_eq!(fault(&layout, b"\"IIN,Bank"), LayoutFault::Header);
        for utf_16 in [&b"\xff,IIN"[..], b"\xff\xfeI\0I\0N\0", b"\xfe\xff\0I\0I\0N", b"I\0I\0N\0"] {
            assert_eq!(fault(&layout, utf_16), LayoutFault::NotUtf8);
        }
        assert_eq!(fault(&csv(&[("issuer", "Bank")]), b"Bank"), LayoutFault::Digits);
        assert_eq!(fault(&csv(&[("bin", "a"), ("start", "b")]), b"a,b"), LayoutFault::Digits);
        assert_eq!(fault(&csv(&[("bin", "a"), ("end", "b")]), b"a,b"), LayoutFault::Digits);
        assert_eq!(fault(&csv(&[("bin", "a"), ("bin", "b")]), b"a,b"), LayoutFault::Repeated(Column::Bin));
        assert!(Places::find(&csv(&[("bin", "a"), ("issuer", "b"), ("variant", "b")]), b"a,b").is_ok());
    }

    /// The bug: a list with semicolons and one misspelt name was said to have no column of the name that was right. The cause: each
    /// separator was tried, and of several failures that with commas was told, where the whole line is one column. The cure: the line
    /// is taken apart with the separator that finds most of the names, and all that are missing there are told at once.
    #[test]
    fn says_which_columns_are_missing_and_what_there_is() {
        let layout = csv(&[("bin", "IIN"), ("issuer", "Bnk"), ("country", "Land")]);
        for (header, said) in [
            (
                "IIN;Bank;Country",
                "there are no columns Bnk and Land; its first line, separated by semicolons, has 3 columns: IIN, Bank, Country",
            ),
            (
                "\"iin\";\"Bank, all of it\";\"land\"",
                "there is no column Bnk; its first line, separated by semicolons, has 3 columns: iin, Bank, all of it, land",
            ),
            (
                "IIN\tBank\tLand",
                "there is no column Bnk; its first line, separated by tabs, has 3 columns: IIN, Bank, Land",
            ),
            (
                "iin,Bank,LAND,Iin,land",
                "there is no column Bnk; there is more than one column IIN; there is more than one column Land; \
                 its first line, separated by commas, has 5 columns: iin, Bank, LAND, Iin, land",
            ),
            (
                "IIN|Bnk|Land",
                "there are no columns IIN, Bnk and Land; its first line has one column only, IIN|Bnk|Land; columns are \
                 separated by commas, semicolons or tabs",
            ),
            (
                "a;b;c,d",
                "there are no columns IIN, Bnk and Land; its first line, separated by semicolons, has 3 columns: a, b, c,d",
            ),
        ] {
            assert_eq!(fault(&layout, header.as_bytes()).to_string(), said, "{header}");
        }
        let hidden = fault(&layout, "a\u{1b}[31m,b\u{202e}c".as_bytes()).to_string();
        assert!(hidden.ends_with("has 2 columns: a?[31m, b?c"), "{hidden}");
        let wide = ["x"; 100].join(",");
        assert!(fault(&layout, wide.as_bytes()).to_string().ends_with("x, x, …"));
        let long = "ä".repeat(10_000);
        assert!(fault(&layout, long.as_bytes()).to_string().len() < 500);
    }

    #[test]
    fn a_row_in_the_place_of_the_header_is_not_repeated() {
        let layout = csv(&[("bin", "IIN")]);
        for row in [
            "411111,BANK",
            "4111111111111111;BANK",
            "4111;1111;1111;1111",
            "4111 1111 1111 1111",
            "bank 411111",
        ] {
            let said = fault(&layout, row.as_bytes()).to_string();
            assert!(said.contains("looks like a row") && !said.contains("1111"), "{said}");
        }
    }

    #[test]
    fn ranges_come_with_and_without_check_digits() {
        let rest = "scheme,brand,type,prepaid,country,bank_name,bank_logo,bank_url,bank_phone,bank_city";
        for (middle, luhn) in [("number_length,number_luhn", true), ("number_length", false)] {
            let header = format!("iin_start,iin_end,{middle},{rest}");
            let places = Places::find(&Layout::BinlistRanges, header.as_bytes()).unwrap();
            assert_eq!(places.at(Column::Luhn).is_some(), luhn);
        }
    }
}
