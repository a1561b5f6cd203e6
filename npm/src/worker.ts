import { runWorker, type WorkerScope } from "./tabs/work.js";

// The script of the shared worker. It exports nothing.
runWorker(globalThis as unknown as WorkerScope);
