//! Groups with invisible delimiters, which other macros leave around their arguments.

use syn::Expr;

/// An expression without the invisible delimiters that a `macro_rules` parameter comes in.
pub(crate) fn ungrouped(mut expr: &Expr) -> &Expr {
    while let Expr::Group(group) = expr {
        expr = &group.expr;
    }
    expr
}
