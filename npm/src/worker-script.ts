/**
 * Makes the shared worker, or joins it. Bundlers look for just this expression of `new URL` inside `new SharedWorker`,
 * and bundle the worker as a script of its own.
 *
 * @param name what makes tabs share the worker
 * @param script the URL of `sse-actix/worker`, if the page has bundled it by itself
 */
export function makeWorker(name: string, script: string | undefined): SharedWorker {
  if (script !== undefined) return new SharedWorker(script, { type: "module", name });
  return new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module", name });
}
