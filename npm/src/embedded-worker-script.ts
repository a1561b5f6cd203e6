/**
 * Creates the shared worker, or connects to it if it exists. Its script is this file.
 *
 * @param name tabs with the same name share the worker
 * @param script the URL of another script, if the page names one
 */
export function connectWorker(name: string, script: string | undefined): SharedWorker {
  return new SharedWorker(script ?? import.meta.url, { type: "module", name });
}
