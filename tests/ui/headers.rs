use sse_actix::sse_stream;

#[sse_stream(headers = [("Content-Type", "text/plain"), ("access-control-allow-origin", "*")])]
async fn owned() {
    emit!("tick");
}

#[sse_stream(headers = [("x a", "b"), ("x-a", "b\r\nx-b: c")])]
async fn malformed() {
    emit!("tick");
}

#[sse_stream(headers = ("x-a", "b"))]
async fn no_list() {
    emit!("tick");
}

fn main() {}
