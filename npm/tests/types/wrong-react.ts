// What does not compile with React; wrong.txt pins what the compiler says.
import { useEventSource } from "sse-actix/react";
import { type MarketEvents, market } from "../market.js";

useEventSource("/market", { events: market, names: ["prices"] });
useEventSource("/market", { events: market }).latest.bid;

// Types without a schema: data would be text.
useEventSource<MarketEvents>("/market");
useEventSource<MarketEvents>("/market", { key: "ada" });
