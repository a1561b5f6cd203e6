//! Groups without a sign of their own, which other macros leave around what they were given.

use syn::Expr;

/// An expression without the invisible delimiters that a `macro_rules` parameter comes in.
pub(crate) fn ungrouped(mut expr: &Expr) -> &Expr {
    while let Expr::Group(group) = expr {
        expr = &group.expr;
    }
    expr
}
