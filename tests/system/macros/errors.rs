//! Mistakes are told in the attribute's words, at the user's token, and bring no other error with them.

#[test]
fn mistakes_are_told_once_where_they_are_made() {
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
