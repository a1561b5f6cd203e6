use actix_web::web;
use sse_actix::sse_stream;

struct Feed(String);

impl Feed {
    #[sse_stream]
    async fn ticks(&self, path: web::Path<u8>) {
        emit!(self.0.as_str());
    }
}

fn main() {
    drop(Feed(String::new()).ticks(web::Path::from(1)));
}
