// What does not compile; wrong.txt pins what the compiler says.
import { EventSource as TypedSource, SharedEventSource } from "sse-actix";
import { type Market, type MarketEvents, market } from "../market.js";

const shared = new SharedEventSource("/market", { events: market });
const plain = new TypedSource("/market", { events: market });

// A name that is not of the enum.
shared.addEventListener("prices", () => {});
shared.removeEventListener("prices", () => {});
plain.addEventListener("close", () => {});
shared.events({ names: ["open"] });

// Data of another type.
shared.addEventListener("price", ({ data }) => data.bid);
shared.addEventListener("price", (event: MessageEvent<string>) => event.data);
plain.addEventListener("halted", ({ data }) => data.reason.length);
plain.onmessage = ({ data }) => data.length;

// Only without a schema it is an EventSource of the DOM.
const dom: EventSource = shared;
const other: EventSource = plain;

// Options.
new SharedEventSource("/market", { headers: { Authorization: "x" } });
new SharedEventSource("/market", { events: { names: ["prize"], checks: { price: (data: unknown) => data === 1 } } });
new SharedEventSource("/market", { kee: "ada" });

// Types without a schema: data would be text.
new SharedEventSource<Market>("/market");
new SharedEventSource<MarketEvents>("/market");
new SharedEventSource<MarketEvents>("/market", { key: "ada" });
new TypedSource<Market>("/market");
new TypedSource<MarketEvents>("/market");
new TypedSource<MarketEvents>("/market", { withCredentials: true });

// Read only.
shared.readyState = 1;
[dom, other];

// A variant that is not thought of.
for await (const item of shared.events()) {
  switch (item.event) {
    case "price":
    case "halted":
      break;
    default:
      item satisfies never;
  }
}
