/**
 * Makes the shared worker, or joins it. Its script is this file.
 *
 * @param name what makes tabs share the worker
 * @param script the URL of another script, if the page names one
 */
export function makeWorker(name: string, script: string | undefined): SharedWorker {
  return new SharedWorker(script ?? import.meta.url, { type: "module", name });
}
