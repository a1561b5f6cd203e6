import { SharedEventSource } from "sse-actix";

// esbuild replaces WORKER by the URL of the worker, or by undefined.

globalThis.seen = [];
globalThis.source = new SharedEventSource("/feed", { worker: WORKER });
source.addEventListener("price", ({ data }) => seen.push(data));
