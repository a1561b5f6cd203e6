import { runWorker, type WorkerScope } from "./tabs/work.js";

export * from "./index.js";

// The same file is the page's module and the shared worker's script.
if ("SharedWorkerGlobalScope" in globalThis) runWorker(globalThis as unknown as WorkerScope);
