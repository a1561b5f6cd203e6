//! utoipa-actix-web collects the same document from the handlers.

use actix_web::App;
use serde_json::json;
use utoipa::Modify as _;
use utoipa_actix_web::AppExt as _;

use crate::openapi::{ANSWER, MARKET_PRICES, MARKET_TOPIC, answer, document, market, prices, validate};

#[test]
fn the_handlers_of_an_app_give_the_same_document() {
    let app = App::new().into_utoipa_app();
    let (_, mut collected) = app
        .service(market)
        .service(prices)
        .service(answer)
        .split_for_parts();
    MARKET_TOPIC.modify(&mut collected);
    MARKET_PRICES.modify(&mut collected);
    ANSWER.modify(&mut collected);
    let collected = serde_json::to_value(collected).unwrap();
    assert_eq!(collected["openapi"], "3.2.0");
    let mut by_hand = document();
    for (path, method) in [("/market", "get"), ("/prices", "get"), ("/answer", "post")] {
        // utoipa writes an empty list, and utoipa-actix-web none.
        let operation = by_hand["paths"][path][method].as_object_mut().unwrap();
        assert_eq!(operation.remove("tags"), Some(json!([])));
    }
    for part in ["paths", "components"] {
        assert_ne!(collected[part], json!(null));
        assert_eq!(collected[part], by_hand[part], "{part}");
    }
    assert_eq!(validate(&collected, &[]).errors, [""; 0]);
}
