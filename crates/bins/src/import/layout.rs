use crate::import::line::Cells;
use crate::limits::LINE_BYTES_MAX;

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
    /// A column is not there, or the layout does not name it.
    #[error("there is no column {0}; the first line must name it")]
    Missing(String),
    /// A column is there twice.
    #[error("there is more than one column {0}")]
    Twice(String),
    /// The layout says neither or both of `bin` and `start`.
    #[error("either bin, or start and end, must be named")]
    Digits,
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

    /// Reads the header. The delimiter is the one with which the columns are found.
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
        let names = |wanted: Column| columns.iter().any(|(column, _)| *column == wanted);
        if names(Column::Bin) == names(Column::Start) || (names(Column::End) && !names(Column::Start)) {
            return Err(LayoutFault::Digits);
        }
        let with_commas = Self::with_delimiter(columns, layout, header, ',');
        match with_commas {
            // With a quoted first cell, another delimiter looks like bad quotes.
            Err(LayoutFault::Missing(_) | LayoutFault::Header) => [';', '\t']
                .into_iter()
                .find_map(|delimiter| Self::with_delimiter(columns, layout, header, delimiter).ok())
                .map_or(with_commas, Ok),
            _ => with_commas,
        }
    }

    fn with_delimiter(
        columns: &[(Column, &str)],
        layout: &Layout,
        header: &[u8],
        delimiter: char,
    ) -> Result<Self, LayoutFault> {
        let mut cells = Cells::default();
        if header.is_empty() || header.len() > LINE_BYTES_MAX || cells.split(header, delimiter).is_err() {
            return Err(LayoutFault::Header);
        }
        let mut places = [None; Column::ALL.len()];
        for (column, name) in columns {
            let mut found = (0..cells.count()).filter(|at| cells.cell(*at).eq_ignore_ascii_case(name));
            let place = found.next();
            // Older lists of ranges say nothing of check digits.
            let may_be_missing = *layout == Layout::BinlistRanges && *column == Column::Luhn;
            if place.is_none() && !may_be_missing {
                return Err(LayoutFault::Missing((*name).to_owned()));
            }
            let slot = places.get_mut(*column as usize).ok_or(LayoutFault::Header)?;
            if found.next().is_some() || slot.is_some() {
                return Err(LayoutFault::Twice((*name).to_owned()));
            }
            *slot = place;
        }
        Ok(Self { delimiter, cells: cells.count(), places })
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

    #[test]
    fn refuses_headers_that_do_not_fit() {
        let layout = csv(&[("bin", "IIN"), ("issuer", "Bank")]);
        let find = |layout: &Layout, header: &[u8]| Places::find(layout, header).unwrap_err();
        assert_eq!(find(&layout, b""), LayoutFault::Header);
        assert_eq!(find(&layout, b"\xff,IIN"), LayoutFault::Header);
        assert_eq!(find(&layout, b"IIN,x"), LayoutFault::Missing("Bank".to_owned()));
        assert_eq!(find(&layout, b"IIN,Bank,iin"), LayoutFault::Twice("IIN".to_owned()));
        assert_eq!(find(&csv(&[("issuer", "Bank")]), b"Bank"), LayoutFault::Digits);
        assert_eq!(find(&csv(&[("bin", "a"), ("start", "b")]), b"a,b"), LayoutFault::Digits);
        assert_eq!(find(&csv(&[("bin", "a"), ("end", "b")]), b"a,b"), LayoutFault::Digits);
        assert_eq!(find(&Layout::BinListData, b"iin_start,iin_end"), LayoutFault::Missing("BIN".to_owned()));
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
