import { work, type WorkerScope } from "./tabs/work.js";

// The script of the shared worker. It exports nothing.
work(globalThis as unknown as WorkerScope);
