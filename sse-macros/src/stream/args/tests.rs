use quote::{ToTokens as _, quote};

use super::*;

fn parse(tokens: TokenStream) -> Args {
    let mut errors = Errors::default();
    let args = Args::parse(tokens, &mut errors);
    assert!(errors.is_empty(), "{}", errors.into_tokens());
    args
}

fn errors(tokens: TokenStream) -> Vec<String> {
    let mut errors = Errors::default();
    Args::parse(tokens, &mut errors);
    errors.messages()
}

#[test]
fn every_argument() {
    let args = parse(quote! {
        keep_alive = "15s", retry = "1m", event = "tick", on_error = told, finite, resume, compress,
        headers = [("X-A", "b c"), ("link", "</x>")], crate = crate::reexport,
    });
    assert!(matches!(args.keep_alive, Some(KeepAlive::Millis(15_000))));
    assert!(matches!(args.retry, Some(Retry::Millis(60_000))));
    assert!(matches!(args.names, Some(Names::Default(EventName::Literal(name))) if name.value() == "tick"));
    assert!(args.plain.is_none() && args.on_error.is_some());
    assert!(args.finite && args.resume && args.compress);
    let headers: Vec<_> = args
        .headers
        .iter()
        .map(|header| (header.name.as_str(), header.value.as_str()))
        .collect();
    assert_eq!(headers, [("x-a", "b c"), ("link", "</x>")]);
    assert_eq!(args.krate.to_token_stream().to_string(), "crate :: reexport");
}

#[test]
fn expressions_are_kept_for_the_compiler() {
    let args = parse(quote!(
        keep_alive = QUIET,
        retry = limits::<A, B>(),
        event = NAMES[0]
    ));
    assert!(matches!(args.keep_alive, Some(KeepAlive::Const(_))));
    assert!(matches!(args.retry, Some(Retry::Const(_))));
    assert!(matches!(args.names, Some(Names::Default(EventName::Const(_)))));
    assert!(matches!(
        parse(quote!(keep_alive = "off")).keep_alive,
        Some(KeepAlive::Off)
    ));
}

#[test]
fn off_and_a_choice() {
    assert!(matches!(parse(quote!(retry = "off")).retry, Some(Retry::Off)));
    assert_eq!(parse(quote!(plain)).plain, Some(true));
    assert_eq!(
        parse(quote!(plain = true, on_error = |_| told())).plain,
        Some(true)
    );
    assert_eq!(parse(quote!(plain = false, finite)).plain, Some(false));
    assert_eq!(parse(quote!(finite)).plain, None);
}

#[test]
fn what_excludes_each_other_is_told_once() {
    for (tokens, says) in [
        (quote!(plain, finite), "leave out `finite`"),
        (quote!(finite, retry = "3s", plain = true), "leave out `finite`"),
        (quote!(resume, plain), "leave out `resume`"),
        (quote!(plain = false, on_error = told), "or write `plain`"),
    ] {
        let [message] = errors(tokens.clone()).try_into().unwrap();
        assert!(message.contains(says), "{tokens}: {message}");
    }
}

#[test]
fn the_bounds() {
    assert!(matches!(
        parse(quote!(keep_alive = "100ms")).keep_alive,
        Some(KeepAlive::Millis(100))
    ));
    assert!(matches!(
        parse(quote!(retry = "2147483647ms")).retry,
        Some(Retry::Millis(2_147_483_647))
    ));
    for (tokens, says) in [
        (quote!(keep_alive = "99ms"), "less than \"100ms\""),
        (quote!(retry = "99ms"), "between \"100ms\""),
        (quote!(retry = "2147483648ms"), "between \"100ms\""),
        (quote!(retry = "2147483648ms"), "write \"off\""),
    ] {
        let [message] = errors(tokens).try_into().unwrap();
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn each_mistake_is_told_with_what_to_write() {
    for (tokens, says) in [
        (
            quote!(keep_alive = 15),
            "write `keep_alive = \"15s\"` or `keep_alive = \"15ms\"`",
        ),
        (quote!(keep_alive = 15s), "in quotes: `keep_alive = \"15s\"`"),
        (quote!(keep_alive = -15), "write `keep_alive = \"15s\"`"),
        (quote!(keep_alive = 1.5), "write `keep_alive = \"15s\"`"),
        (quote!(keep_alive = false), "write `keep_alive = \"15s\"`"),
        (
            quote!(retry = 3000),
            "write `retry = \"3000s\"` or `retry = \"3000ms\"`",
        ),
        (quote!(keep_alive), "`keep_alive` needs a value"),
        (quote!(crate), "`crate` needs a value"),
        (quote!(finite = true), "`finite` takes no value"),
        (quote!(plain = "yes"), "`plain` is `true` or `false`"),
        (quote!(on_error), "`on_error` needs a value"),
        (quote!(on_error = "failed"), "`fn(&actix_web::Error) -> Event`"),
        (quote!(retry = off), "in quotes: `retry = \"off\"`"),
        (quote!(retry = "none"), "or it is \"off\""),
        (quote!(event = "sse-gap"), "is the library's own"),
        (quote!(event = ""), "cannot be empty"),
        (quote!(event = "error"), "`onerror`"),
        (quote!(event = "a\nb"), "at byte 1"),
        (quote!(event = 5), "an event name is text"),
        (quote!(headers = ("a", "b")), "headers are written as"),
        (quote!(headers = [("a", "b", "c")]), "headers are written as"),
        (quote!(headers = [("a", VALUE)]), "headers are written as"),
        (
            quote!(headers = [("a b", "c")]),
            "`a b` is not a valid header name",
        ),
        (quote!(headers = [("a", "b\nc")]), "cannot hold '\\n'"),
        (
            quote!(headers = [("a", " b")]),
            "start or end with a space or tab",
        ),
        (
            quote!(headers = [("Content-Type", "text/plain")]),
            "`content-type` cannot be set here",
        ),
        (
            quote!(headers = [("Access-Control-Allow-Origin", "*")]),
            "CORS middleware",
        ),
        (quote!(keepalive = "1s"), "did you mean `keep_alive`?"),
        (quote!(path = "/x"), "there are `keep_alive`"),
        (quote!("/x"), "takes no path"),
        (quote!(finite, finite), "`finite` is given twice"),
        (quote!(finite resume), "expected `,`"),
    ] {
        let name = tokens.to_string();
        let [message] = errors(tokens).try_into().unwrap();
        assert!(message.contains(says), "{name}: {message}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    assert_eq!(
        errors(quote!(keep_alive = 15, retri = "1s", event = "open", finite = 1)).len(),
        4
    );
}
