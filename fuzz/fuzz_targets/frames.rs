#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    panvault_store_embedded::fuzz::frames(bytes);
});
