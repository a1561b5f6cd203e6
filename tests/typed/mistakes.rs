//! Mistakes are told in the library's words, where they are made, and bring no other error with them.

#[test]
fn mistakes_are_told_once_where_they_are_made() {
    trybuild::TestCases::new().compile_fail("typed/ui/*.rs");
}
