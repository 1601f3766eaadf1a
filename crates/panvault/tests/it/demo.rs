use crate::support::run;

#[test]
fn walks_through_the_page_and_shows_no_card_number_and_no_cvv() {
    let ended = run(&["demo"]);
    assert!(ended.status.success(), "{}{}", ended.out, ended.err);
    assert_eq!(ended.err, "");
    for shown in [
        "POST /v1/card",
        "POST /v1/transaction",
        "\"card_number\": \"411111******1111\"",
        "\"cvv\": \"***\"",
        "members that were sent, are null or empty, or tell nothing new",
        "\"cvv_result\": \"1\"",
        "\"cvv_result\": \"2\"",
        "\"code\": 121",
        "Everything was as the API promises.",
    ] {
        assert!(ended.out.contains(shown), "{shown} is not in\n{}", ended.out);
    }
    for secret in ["4111111111111111", "\"111\"", "\"222\"", "NOT AS PROMISED"] {
        assert!(!ended.out.contains(secret), "{secret}");
    }
}
