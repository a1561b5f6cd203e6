//! Any value that JavaScript can hold goes from Rust over the wire to a page, through TypeScript to JSON and back to Rust, and
//! is equal. `TYPED_SEED` repeats a run, `TYPED_VALUES` says how many values there are.

mod values;

use std::{env, fs, path::Path, str::FromStr};

use actix_web::{
    App, HttpResponse, get, post,
    web::{self, Html},
};
use sse_actix::{SseEvents as _, sse_stream, test::Serving, typescript::Module};
use sse_tests::{
    browser::{Browser, Engine},
    typescript::compile,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use values::Any;

#[actix_web::test]
async fn any_value_comes_back_as_it_was_from_chromium() {
    any_value_comes_back_as_it_was(Engine::Chromium).await;
}

#[actix_web::test]
async fn any_value_comes_back_as_it_was_from_firefox() {
    any_value_comes_back_as_it_was(Engine::Firefox).await;
}

/// Both of the package's sources.
const SOURCES: [&str; 2] = ["SharedEventSource", "EventSource"];

/// What a page says of a stream: each event's name and its data as JSON, in order, and how many were the number -0.
type Read = (Vec<(String, String)>, usize);

/// What the page reads with. `any` is what Rust has generated.
const PAGE: &str = r#"
import { EventSource, SharedEventSource } from "./shared-event-source.js";
import { type Any, any } from "./any.js";

async function read(source: EventSource<Any> | SharedEventSource<Any>) {
  const events: [string, string][] = [];
  let negativeZeros = 0;
  for await (const item of source.events({ buffer: 1_000_000 })) {
    if (item.event === "number" && Object.is(item.data, -0)) negativeZeros += 1;
    events.push([item.event, JSON.stringify(item.data)]);
  }
  await fetch("/back", { method: "POST", body: JSON.stringify([events, negativeZeros]) });
}

Object.assign(globalThis, {
  readAll: {
    SharedEventSource: () => read(new SharedEventSource("/values", { events: any })),
    EventSource: () => read(new EventSource("/values", { events: any })),
  },
});
"#;

#[get("/values")]
#[sse_stream(events = Any, finite, retry = "100ms")]
async fn stream(values: web::Data<Vec<Any>>) -> () {
    for value in values.iter() {
        emit!(value.clone());
    }
}

#[post("/back")]
async fn back(read: web::Bytes, reads: web::Data<UnboundedSender<Read>>) -> HttpResponse {
    reads.send(serde_json::from_slice(&read).unwrap()).unwrap();
    HttpResponse::NoContent().finish()
}

#[get("/")]
async fn page() -> Html {
    Html::new("<!doctype html><title>typed</title><script type=module src=/page.js></script>")
}

/// The page's modules, compiled: its own, and that of the enum.
fn modules() -> [(&'static str, String); 2] {
    let folder = tempfile::tempdir().unwrap();
    let types = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../sse-actix/src/shared_event_source/shared-event-source.d.ts");
    fs::copy(types, folder.path().join("shared-event-source.d.ts")).unwrap();
    let any = Module::new("nothing").events::<Any>().unwrap();
    any.write(folder.path().join("any.ts")).unwrap();
    fs::write(folder.path().join("page.ts"), PAGE).unwrap();
    compile(folder.path(), &["page.ts", "any.ts"]);
    ["page.js", "any.js"].map(|name| (name, fs::read_to_string(folder.path().join(name)).unwrap()))
}

fn serve(values: web::Data<Vec<Any>>) -> (Serving, UnboundedReceiver<Read>) {
    let (sender, reads) = unbounded_channel();
    let (modules, sender) = (modules(), web::Data::new(sender));
    let serving = Serving::start(move || {
        let mut app = App::new()
            .app_data(values.clone())
            .app_data(sender.clone())
            .app_data(web::PayloadConfig::new(100_000_000))
            .service(sse_actix::shared_event_source())
            .service((page, stream, back));
        for (name, script) in modules.clone() {
            let answer = move || {
                let script = script.clone();
                async { HttpResponse::Ok().content_type("text/javascript").body(script) }
            };
            app = app.route(&format!("/{name}"), web::get().to(answer));
        }
        app
    });
    (serving, reads)
}

fn number<T: FromStr>(variable: &str) -> Option<T> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .ok()
            .unwrap_or_else(|| panic!("{variable}={text} is no number")),
    )
}

async fn any_value_comes_back_as_it_was(engine: Engine) {
    let seed = number("TYPED_SEED").unwrap_or_else(|| fastrand::u64(..));
    let count = number("TYPED_VALUES").unwrap_or(2_000);
    println!("TYPED_SEED={seed} TYPED_VALUES={count}");
    let values = web::Data::new(values::generate(seed, count));
    let Some(browser) = Browser::start_engine(engine).await else {
        return;
    };
    let (serving, mut reads) = serve(values.clone());
    browser.open(&serving.url("/")).await;
    browser
        .wait_until("return globalThis.readAll !== undefined")
        .await;
    for source in SOURCES {
        browser.run::<()>(&format!("readAll.{source}()")).await;
        let (events, negative_zeros) = reads.recv().await.unwrap();
        assert_eq!(events.len(), values.len(), "{source}");
        for (sent, (name, data)) in values.iter().zip(&events) {
            let received =
                Any::decode(name, data).unwrap_or_else(|error| panic!("{source}: {sent:?}: {error}"));
            // The sign of a zero is not written by JavaScript, and does not count here.
            assert!(
                received == *sent,
                "{source}: {sent:?} came back as {received:?}, by {data}"
            );
        }
        assert_eq!(negative_zeros, values::negative_zeros(&values), "{source}");
    }
}
