use sse_actix::{Event, sse_stream};

#[sse_stream]
async fn ticks(name: String) {
    emit!(Event::data("a").event(&name));
    emit!(Event::data("a").id(format!("tick-{name}")));
}

fn main() {
    drop(ticks(String::new()));
}
