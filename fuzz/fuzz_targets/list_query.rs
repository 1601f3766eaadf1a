#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    panvault_server::fuzz::list_query(bytes);
});
