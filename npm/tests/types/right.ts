// What compiles.
import { type ConnectionState, EventSource as TypedSource, type Gap, SharedEventSource, type UnionOf } from "sse-actix";
import { type Market, type MarketEvents, type Price, market } from "../market.js";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>) => {};

// Without a schema both are an EventSource of the DOM.
const untyped = new SharedEventSource("/prices", {
  key: "ada",
  withCredentials: true,
  worker: new URL("https://a.b/w.js"),
});
const plain = new TypedSource("/prices");
for (const source of [untyped, plain]) {
  const dom: EventSource = source;
  dom.close();
  source.addEventListener("tick", (event) => same<typeof event, MessageEvent<string>>(true));
  source.addEventListener("open", (event) => same<typeof event, Event>(true));
  source.addEventListener("sse-gap", (event) => same<typeof event.data, string>(true));
  source.onmessage = ({ data }) => same<typeof data, string>(true);
}

// As lib.dom has them.
const listener = (event: MessageEvent<string>) => event.data.length;
untyped.addEventListener("tick", listener);
untyped.removeEventListener("tick", listener);
untyped.removeEventListener("tick", listener, { capture: true });
untyped.addEventListener("tick", { handleEvent: (event) => event.data.length });
untyped.addEventListener("tick", { handleEvent() {} }, { once: true, signal: new AbortController().signal });
untyped.addEventListener("tick", null);
untyped.removeEventListener("tick", null);
untyped.addEventListener("tick", function (event) {
  same<typeof event, MessageEvent<string>>(true);
  this.close();
});
untyped.onmessage = function () {
  this.close();
};
untyped.onmessage = null;
const domListener: EventListenerOrEventListenerObject = (event: Event) => event.preventDefault();
untyped.addEventListener("tick", domListener);
untyped.onmessage = (event: MessageEvent) => event.data;
const handler: EventSource["onmessage"] = untyped.onmessage;
untyped.onclose = ({ reason, status }) => {
  same<typeof reason, "finished" | "failed" | "reset">(true);
  same<typeof status, number | undefined>(true);
};
const target: EventTarget = untyped;
untyped.onopen = untyped.onerror = () => [handler, target];
same<typeof untyped.readyState, 0 | 1 | 2>(true);
same<typeof SharedEventSource.OPEN, 1>(true);
const resolved: Promise<void> = SharedEventSource.reset();

// With a schema: the types come from it, or are named.
const shared = new SharedEventSource("/market", { events: market, headers: async () => ({ Authorization: "Bearer" }) });
same<typeof shared, SharedEventSource<UnionOf<MarketEvents>>>(true);
const named: SharedEventSource<Market> = shared;
const explicit = new SharedEventSource<Market>("/market", { events: market });
const mapped: SharedEventSource<Market> = new SharedEventSource<MarketEvents>("/market", { events: market });
const mappedPlain: TypedSource<Market> = new TypedSource<MarketEvents>("/market", { events: market });
mappedPlain.close();
const typed = new TypedSource("/market", { events: market, onInvalid: (error) => error.data.length });
const sources: SharedEventSource<Market>[] = [named, explicit, mapped, shared];
for (const source of sources) {
  source.addEventListener("price", ({ data }) => same<typeof data, Price>(true));
  source.addEventListener("closed", ({ data }) => same<typeof data, null>(true));
  source.addEventListener("close", ({ reason }) => same<typeof reason, "finished" | "failed" | "reset">(true));
}
typed.addEventListener("price", ({ data }) => same<typeof data, Price>(true));
typed.addEventListener("sse-gap", ({ data }) => same<typeof data, Gap>(true));
typed.addEventListener("sse-end", ({ data }) => same<typeof data.reason, "finished" | "failed">(true));
typed.addEventListener("halted", { handleEvent: ({ data }) => data.reason?.length });
const onPrice = (event: MessageEvent<Price>) => event.data.price;
typed.addEventListener("price", onPrice);
typed.removeEventListener("price", onPrice);

async function loop() {
  for await (const item of shared) {
    switch (item.event) {
      case "price":
        same<typeof item.data, Price>(true);
        break;
      case "halted":
        same<typeof item.data.symbol, string>(true);
        break;
      case "closed":
        same<typeof item.data, null>(true);
        break;
      default:
        item satisfies never;
    }
    same<typeof item.lastEventId, string>(true);
  }
  const { signal } = new AbortController();
  for await (const { event, data } of untyped.events({ signal, buffer: 10, names: ["tick"] })) [event, data.length];
  await resolved;
}
loop();

const show = (state: ConnectionState) => {
  if (state.status === "closed") return state.reason;
  return state.status;
};
const unsubscribe: () => void = shared.connection.subscribe(show);
unsubscribe();
