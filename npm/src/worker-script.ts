/**
 * Creates the shared worker, or connects to it if it exists. Bundlers look for exactly this expression: `new URL`
 * inside `new SharedWorker`. They bundle the worker as a separate script.
 *
 * @param name tabs with the same name share the worker
 * @param script the URL of `sse-actix/worker`, if the page's author has bundled it separately
 */
export function connectWorker(name: string, script: string | undefined): SharedWorker {
  if (script !== undefined) return new SharedWorker(script, { type: "module", name });
  return new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module", name });
}
