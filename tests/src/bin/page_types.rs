//! Writes the TypeScript of the npm package's tests.

use sse_actix::typescript::TypeScriptError;
use sse_tests::page_market::{file, module};

fn main() -> Result<(), TypeScriptError> {
    module()?.write(file())
}
