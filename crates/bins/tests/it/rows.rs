//! Known answers: what becomes of each kind of row.

use panvault_bins::limits::{ABOUT_BYTES_MAX, ISSUER_BYTES_MAX, SHOWN_MAX};
use panvault_bins::{About, Column, Contradiction, ImportFault, Layout, LeftOut, Merged, Refused, import};

use crate::support::{HEADER, about, encoded, found, imported, plain, table};

const NOTHING: &str = "-|-|-|-|-";

#[test]
fn rows_of_a_bin_list_become_facts() {
    let list = format!(
        "{HEADER}\r\n\
         002102,\"PRIVATE LABEL\",CREDIT,STANDARD,\"BANK, OF \"\"ONE\"\"\",1,u,CN,CHN,CHINA\r\n\
         411111,VISA,DEBIT,PREPAID CLASSIC,BANK TWO,,,nl,NLD,x\r\n\
         411112,VISA,DEBIT,PREPAID,,,,,,\r\n\
         411113,VISA,,,,,,,,\r\n\
         411114,VISA,CREDIT,PERSONAL GREEN PREPAID,B,,,XK,XKX,Kosovo\r\n\
         411115,VISA,CREDIT,NON-PREPAID GOLD,B,,,US,,\r\n\
         370000,AMERICAN EXPRESS,CHARGE CARD,PERSONAL,B,,,BG,,\r\n"
    );
    let imported = imported(&list, &Layout::BinListData);
    let report = &imported.report;
    assert_eq!((report.rows, report.taken, report.refused.len(), report.left_out.len()), (7, 7, 0, 0));
    let table = table(&imported.contents);
    for (digits, expected) in [
        ("00210212345678", "BANK, OF \"ONE\"|CN|CNY|credit|STANDARD"),
        ("002102", "BANK, OF \"ONE\"|CN|CNY|credit|STANDARD"),
        ("2102121234567", NOTHING),
        ("4111110000000000", "BANK TWO|NL|EUR|prepaid|CLASSIC"),
        ("411112999999", "-|-|-|prepaid|-"),
        ("411113000000", NOTHING),
        ("411114", "B|XK|EUR|prepaid|PERSONAL GREEN"),
        ("411115", "B|US|USD|credit|NON-PREPAID GOLD"),
        ("3700001", "B|BG|EUR|charge|PERSONAL"),
        ("411116", NOTHING),
        ("411110", NOTHING),
        ("41111", NOTHING),
        ("41111a", NOTHING),
        ("", NOTHING),
    ] {
        assert_eq!(found(&table, digits), expected, "{digits}");
    }
}

#[test]
fn rows_of_binlist_ranges_become_facts() {
    let list = "iin_start,iin_end,number_length,number_luhn,scheme,brand,type,prepaid,country,bank_name,bank_logo,bank_url,bank_phone,bank_city\n\
                41110000,41119999,16,true,visa,Traditional,debit,false,DK,Jyske Bank,,,,\n\
                411150,,,,visa,,credit,yes,DK,Jyske Bank,,,,\n\
                360218,,,,DINERS,DINERS CLUB INTERNATIONAL,CREDIT,,EC,DINERS CLUB,,,,\n\
                520000,520001,19,no,mastercard,World,credit,maybe,,x,,,,\n\
                530000,,25,perhaps,amex,,credit,,,y,,,,\n";
    let imported = imported(list, &Layout::BinlistRanges);
    let table = table(&imported.contents);
    for (digits, expected) in [
        ("41110000000", "Jyske Bank|DK|DKK|debit|Traditional"),
        ("41119999999", "Jyske Bank|DK|DKK|debit|Traditional"),
        ("41114999999", "Jyske Bank|DK|DKK|debit|Traditional"),
        ("41115000000", "Jyske Bank|DK|DKK|prepaid|-"),
        ("41120000000", NOTHING),
        ("360218", "DINERS CLUB|EC|USD|credit|DINERS CLUB INTERNATIONAL"),
        ("520001", "x|-|-|credit|World"),
    ] {
        assert_eq!(found(&table, digits), expected, "{digits}");
    }
    let report = &imported.report;
    assert_eq!(report.left_out_for(LeftOut::Prepaid), 1);
    assert_eq!((report.left_out_for(LeftOut::Length), report.left_out_for(LeftOut::Luhn)), (1, 1));
    assert_eq!(report.contradictions_in(Contradiction::Length), 1, "19 digits of Mastercard");
    assert_eq!(report.contradictions_in(Contradiction::Luhn), 1);
    assert_eq!(report.contradictions_in(Contradiction::Brand), 1);
    let shown = &report.contradictions[0].shown[0];
    assert_eq!((shown.line, shown.what.as_str()), (6, "Amex in the list, Mastercard by its digits"));
}

#[test]
fn the_narrowest_range_wins_and_digits_answer_what_all_their_numbers_share() {
    let list = "start,end,issuer,country,type,variant\n\
                411111,,BROAD,NL,CREDIT,GOLD\n\
                41111122,,NARROW,NL,CREDIT,\n\
                41111122333,,NARROWEST,DE,CREDIT,\n\
                41111133000,41111133999,WHOLE,NL,CREDIT,GOLD\n\
                411112,,BROAD,NL,CREDIT,GOLD\n";
    let imported = imported(list, &plain());
    let merged = |digits, bin: &str| Merged { digits, count: 1, first: vec![bin.to_owned()] };
    assert_eq!(imported.report.merged, [merged(8, "41111122"), merged(6, "411111")]);
    let table = table(&imported.contents);
    for (digits, expected) in [
        ("41111121999", "BROAD|NL|EUR|credit|GOLD"),
        ("41111122000", "-|-|EUR|credit|-"),
        ("4111112233300000", "-|-|EUR|credit|-"),
        ("41111123000", "BROAD|NL|EUR|credit|GOLD"),
        ("41111133000", "WHOLE|NL|EUR|credit|GOLD"),
        ("411111", "-|-|EUR|credit|-"),
        ("41111122", "-|-|EUR|credit|-"),
        ("4111112", "-|-|EUR|credit|-"),
        ("4111111", "BROAD|NL|EUR|credit|GOLD"),
        ("411112", "BROAD|NL|EUR|credit|GOLD"),
    ] {
        assert_eq!(found(&table, digits), expected, "{digits}");
    }
}

/// The bug: a list of eleven digits whose names tell them put the first eleven digits of every card beside its last four, in clear. Its
/// cause: ranges were kept as fine as they came. Its cure: what is not the same of all numbers with the same eight digits is not
/// in the table, nor anywhere in its file.
#[test]
fn a_list_that_tells_of_a_ninth_digit_leaves_nothing_of_it() {
    let rows = (0..2_000).map(|row| format!("41111{row:06},,NAME-{row:06},NL,CREDIT,LONG-{row:06}\n"));
    let list = rows.fold("start,end,issuer,country,type,variant\n".to_owned(), |list, row| list + &row);
    let imported = imported(&list, &plain());
    let file = encoded(&imported.contents);
    assert!(!file.windows(5).any(|bytes| bytes == b"NAME-" || bytes == b"LONG-"));
    let table = table(&imported.contents);
    assert_eq!((table.rows(), table.ranges()), (2_000, 1));
    assert_eq!(found(&table, "41111000000"), "-|NL|EUR|credit|-");
    assert_eq!(found(&table, "41111001999"), "-|NL|EUR|credit|-");
    assert_eq!(found(&table, "41111002000"), NOTHING);
    assert_eq!(
        imported.report.merged.iter().map(|merged| (merged.digits, merged.count)).collect::<Vec<_>>(),
        [(8, 2), (6, 1)]
    );
    assert_eq!(imported.report.merged[0].first, ["41111000", "41111001"]);
}

#[test]
fn rows_that_are_no_rows_are_refused_with_their_reasons() {
    let list = "start,end,issuer,country,type,variant\n\
                41111,,a,,,\n\
                411111111111,,a,,,\n\
                4111-1111-1111-1111,,a,,,\n\
                411111,4111111111111111,a,,,\n\
                x11111,,a,,,\n\
                ٤١١١١١,,a,,,\n\
                ,,a,,,\n\
                411112,411111,a,,,\n\
                411111,,a,,\n\
                411111,,a,,,,\n\
                411111,,\"a,,,\n\
                411113,,a,,,\n\
                411113,411113,a,,,\n\
                411113,,b,,,\n\
                \n\
                41111999999,,eleven digits,,,\n";
    let imported = imported(list, &plain());
    let report = &imported.report;
    assert_eq!((report.rows, report.taken), (15, 2));
    for (reason, count) in [
        (Refused::TooFewDigits, 1),
        (Refused::TooManyDigits, 3),
        (Refused::NotDigits, 3),
        (Refused::Backwards, 1),
        (Refused::Cells, 2),
        (Refused::Quotes, 1),
        (Refused::Repeated, 1),
        (Refused::Conflict, 1),
    ] {
        assert_eq!(report.refused_for(reason), count, "{}", reason.as_str());
    }
    let many = report.refused.iter().find(|counted| counted.kind == Refused::TooManyDigits).unwrap();
    assert_eq!(many.shown.iter().map(|shown| shown.line).collect::<Vec<_>>(), [3, 4, 5]);
    assert!(!format!("{report:?}").contains("411111"), "digits are not repeated");
    assert_eq!(found(&table(&imported.contents), "411113"), "a|-|-|-|-", "the first stands");
}

#[test]
fn lines_that_are_not_utf_8_spoil_themselves_only() {
    let list =
        [b"start,end,issuer,country,type,variant\n411111,,\xff,,,\n".as_slice(), b"411112,,a,,,\n"].concat();
    let imported = import(list.as_slice(), &plain(), about(), &mut |_| {}).unwrap();
    assert_eq!((imported.report.refused_for(Refused::NotUtf8), imported.report.taken), (1, 1));
}

#[test]
fn values_that_are_not_understood_are_left_out_and_counted() {
    let (long, longer) = ("b".repeat(ISSUER_BYTES_MAX), "b".repeat(ISSUER_BYTES_MAX + 1));
    let list = format!(
        "start,end,issuer,country,type,variant\n\
         411111,,bank 4111111111111111,ZZ,DEFERRED DEBIT,\n\
         411112,,a\u{202e}b,N1,4111111111111111,\n\
         411113,,a\tb,,CREDIT,\n\
         411114,,{long},,,\n\
         411115,,{longer},,,\n"
    );
    let imported = imported(&list, &plain());
    let report = &imported.report;
    assert_eq!(report.taken, 5);
    assert_eq!(report.left_out_for(LeftOut::TextCardNumber), 1);
    assert_eq!(report.left_out_for(LeftOut::TextControl), 2);
    assert_eq!(report.left_out_for(LeftOut::TextTooLong), 1);
    assert_eq!((report.left_out_for(LeftOut::Country), report.left_out_for(LeftOut::Type)), (2, 2));
    let said = format!("{report:?}");
    assert!(said.contains("ZZ") && said.contains("DEFERRED DEBIT") && !said.contains("4111"), "{said}");
    let table = table(&imported.contents);
    assert_eq!(found(&table, "411111"), NOTHING);
    assert_eq!(found(&table, "411114"), format!("{long}|-|-|-|-"));
    assert_eq!(found(&table, "411115"), NOTHING);
}

#[test]
fn schemes_that_only_a_list_can_tell_do_not_contradict() {
    let list = "iin,net\n411111,CARTES BANCAIRES\n513283,CB\n411112,EBT\n606985,Discover\n411113,amex\n411114,VISA/DANKORT\n";
    let layout = Layout::Csv(vec![(Column::Bin, "IIN".to_owned()), (Column::Brand, "NET".to_owned())]);
    let report = imported(list, &layout).report;
    assert_eq!(report.contradictions_in(Contradiction::Brand), 1);
}

/// The bug: a list that gives 16 digits to numbers that begin with 1 was said to contradict the schemes. Its cause: every length of the
/// table of schemes was taken for certain. Its cure: where lengths are not sure, another length says another scheme.
#[test]
fn a_length_contradicts_only_a_scheme_whose_lengths_are_sure() {
    let list = "iin,net,length\n194600,MASTERCARD,16\n194601,UATP,15\n194602,MASTERCARD,15\n513283,MASTERCARD,19\n411111,VISA,18\n";
    let columns = [(Column::Bin, "iin"), (Column::Brand, "net"), (Column::Length, "length")];
    let layout = Layout::Csv(columns.map(|(column, name)| (column, name.to_owned())).to_vec());
    let report = imported(list, &layout).report;
    assert_eq!(report.contradictions_in(Contradiction::Length), 1, "19 digits of Mastercard");
    assert_eq!(report.contradictions_in(Contradiction::Brand), 1, "15 digits that begin with 1");
}

#[test]
fn a_report_shows_a_few_and_counts_all() {
    let rows = 3 * SHOWN_MAX;
    let list = (0..rows)
        .fold("start,end,issuer,country,type,variant\n411111,,a,,,\n".to_owned(), |list, _| {
            list + "x,,,,,\n"
        });
    let report = imported(&list, &plain()).report;
    assert_eq!(report.refused_for(Refused::NotDigits), rows as u64);
    assert_eq!(report.refused[0].shown.len(), SHOWN_MAX);
}

#[test]
fn a_list_that_gives_nothing_is_an_error() {
    let fault = |list: &str, about: About| import(list.as_bytes(), &plain(), about, &mut |_| {}).unwrap_err();
    let header = "start,end,issuer,country,type,variant\n";
    assert!(matches!(fault("", about()), ImportFault::Layout(_)));
    assert!(matches!(fault(HEADER, about()), ImportFault::Layout(_)));
    assert!(matches!(fault(header, about()), ImportFault::Nothing(_)));
    assert!(matches!(fault(&format!("{header}x,,,,,\n"), about()), ImportFault::Nothing(_)));
    let good = format!("{header}411111,,,,,\n");
    for text in ["", "a\nb", &"x".repeat(ABOUT_BYTES_MAX + 1)] {
        assert!(
            matches!(fault(&good, About { licence: text.to_owned(), ..about() }), ImportFault::About(_)),
            "{text}"
        );
    }
}

#[test]
fn progress_ends_at_the_last_byte() {
    let list = (0..20_000).fold("start,end,issuer,country,type,variant\n".to_owned(), |list, row| {
        list + &format!("{},,a bank with a name of some length,,,\n", 400_000 + row)
    });
    let mut told = Vec::new();
    import(list.as_bytes(), &plain(), about(), &mut |bytes| told.push(bytes)).unwrap();
    assert!(told.is_sorted() && told.len() > 2);
    assert_eq!(told.last(), Some(&(list.len() as u64)));
}
