import { SharedEventSource } from "sse-actix";

globalThis.seen = [];
globalThis.source = new SharedEventSource("/feed");
source.addEventListener("price", ({ data }) => seen.push(data));
