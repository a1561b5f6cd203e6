use quote::quote;
use sse_actix::{EventId, EventName};
use syn::parse_quote;

use super::*;

fn errors(for_browsers: bool, body: &TokenStream) -> Vec<String> {
    let body: Block = parse_quote!({ #body });
    let mut errors = Errors::default();
    check(&body, for_browsers, &OwnedTexts::of(&[], &body), &mut errors);
    errors.messages()
}

#[test]
fn what_no_event_can_have_is_told() {
    for (body, says) in [
        (quote!(emit!(Event::data("a").event("two\nlines"));), "at byte 3"),
        (
            quote!(emit!(Event::data("a").event("two\rlines").id(1));),
            "at byte 3",
        ),
        (quote!(emit!(Event::json(&x)?.id(1).event("nul\0"));), "at byte 3"),
        (
            quote!(emit!(sse_actix::Event::data(x).event(""));),
            "leave it out",
        ),
        (
            quote!(emit!((Event::data(x)).event("open"));),
            "`onopen` of every page",
        ),
        (
            quote!(emit!(Event::json(&x).unwrap().event("error"));),
            "`onerror`",
        ),
        (
            quote!(emit!(Event::data(x).event("sse-end"));),
            "the library's own",
        ),
        (
            quote!(emit!(Event::data(x).event("sse-gap"));),
            "the library's own",
        ),
        (
            quote!(emit!(Event::data(x).event("sse-position"));),
            "the library's own",
        ),
        (quote!(emit!(Event::data(x).id("a\nb"));), "an id cannot hold"),
        (quote!(emit!(Event::data(x).id("a\u{1}b"));), "at byte 1"),
        (quote!(emit!(Event::data(x).id("a\u{7F}"));), "at byte 1"),
        (
            quote!(emit!(Event::data(x).id(" a"));),
            "start or end with a space or tab",
        ),
        (
            quote!(emit!(Event::data(x).id("a\t"));),
            "start or end with a space or tab",
        ),
        (quote!(emit!(Event::data(x).id("sse-end"));), "the library's own"),
        // Wherever it stands.
        (quote!(let event = Event::data(x).event("open");), "`onopen`"),
        (
            quote!(emit!(if x { Event::data(y).event("open") } else { z });),
            "`onopen`",
        ),
        (
            quote!(emitter.emit(Event::data(x).event("open")).await;),
            "`onopen`",
        ),
        (
            quote!(select! { Some(ref x) = y => emit!(Event::data(x).event("open")), else => {} }),
            "`onopen`",
        ),
        (quote!(f(EventName::from_static("open"));), "`onopen`"),
        // In each value that it may have.
        (
            quote!(emit!(Event::data(x).event(if c { "error" } else { "b" }));),
            "`onerror`",
        ),
        (
            quote!(emit!(Event::data(x).event(if c { "a" } else if d { "b" } else { f(); "open" }));),
            "`onopen`",
        ),
        (
            quote!(emit!(Event::data(x).id(match y { 1 => "a ", _ => z }));),
            "a space or tab",
        ),
        (
            quote!(emit!(Event::data(x).event({ g(); ("open") }));),
            "`onopen`",
        ),
        (
            quote!(f(EventName::from_static(if c { "open" } else { "b" }));),
            "`onopen`",
        ),
        (
            quote!(f(sse_actix::EventId::from_static("a "));),
            "a space or tab",
        ),
    ] {
        for for_browsers in [true, false] {
            let [message] = errors(for_browsers, &body).try_into().unwrap();
            assert!(message.contains(says), "{body}: {message}");
        }
    }
    let long = "x".repeat(1025);
    let [message] = errors(false, &quote!(emit!(Event::data(x).id(#long));))
        .try_into()
        .unwrap();
    assert!(message.contains("this one has 1025"), "{message}");
}

#[test]
fn what_an_event_can_have_or_is_no_event_is_left_alone() {
    let long = "x".repeat(1024);
    for body in [
        quote!(emit!(Event::data("open").event("tick").id("a\tb"));),
        quote!(emit!(Event::data("a").event(name).id(7).id(""));),
        quote!(emit!(Event::data("a").id(#long).id("sse-gap"));),
        quote!(emit!(Event::data("a").event("é ").event(r"a\nb"));),
        quote!(element.id(" a ");),
        quote!(emit!(Event::data(x).event(if y == "open" { f("error"); "a" } else { "b" }));),
        quote!(emit!(Event::data(x).event(match "open" { "error" => "a", _ => "b" }));),
        quote!(Event::new("error").event("error");),
        quote!(log.event("error", x).id("a\n");),
        quote!(
            const X: EventName = EventName::from_static("open");
        ),
        quote!(OtherName::from_static("open");),
        quote!(EventName::try_from("open")?;),
    ] {
        assert_eq!(errors(true, &body), [""; 0], "{body}");
    }
}

#[test]
fn what_browsers_cannot_use_is_told_on_their_streams() {
    for (body, says) in [
        (
            quote!(emit!(Event::data(x).event(EventName::not_for_browsers("error")?));),
            "cannot listen",
        ),
        (
            quote!(emit!(Event::data(x).id(sse_actix::EventId::not_for_browsers("a ")));),
            "send such an id back",
        ),
        (
            quote!(let id = EventId::not_for_browsers(text)?;),
            "send such an id back",
        ),
    ] {
        let [message] = errors(true, &body).try_into().unwrap();
        assert!(message.contains(says), "{body}: {message}");
        assert_eq!(errors(false, &body), [""; 0], "{body}");
    }
}

#[test]
fn text_made_at_run_time_is_told_what_proves_it() {
    for (body, says) in [
        (
            quote!(let p = format!("x"); emit!(Event::data("x").event(p.as_str()));),
            "EventName::try_from(p . as_str ())?",
        ),
        (
            quote!(let p = String::new(); emit!(Event::data("x").id(&*p));),
            "EventId::try_from(&*p)?",
        ),
    ] {
        let [message] = errors(false, &body).try_into().unwrap();
        assert!(message.contains(says), "{body}: {message}");
    }
}

#[test]
fn the_core_refuses_the_same() {
    for text in [
        "",
        "open",
        "error",
        "a\nb",
        "a\rb",
        "a\0b",
        "a\u{1}b",
        "a\u{7F}b",
        "a\u{85}b",
        " a",
        "a ",
        "a\tb",
        "a\t",
        "\ta",
        "sse-end",
        "sse-gap",
        "sse-position",
        "message",
        "é",
        " ",
    ] {
        let id = EventId::try_from(text);
        assert_eq!(fault_of_id(text).is_some(), id.is_err(), "{text:?} {id:?}");
        let name = EventName::try_from(text);
        assert_eq!(fault_of_name(text).is_some(), name.is_err(), "{text:?} {name:?}");
    }
}
