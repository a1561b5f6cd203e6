export function element<T extends HTMLElement>(id: string) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** Sets only properties that differ, so that the browser does not lay out the page again without need. */
export function write(node: Node, text: string) {
  if (node.textContent !== text) node.textContent = text;
}

export function showChange(node: HTMLElement, change: number) {
  write(node, `${change < 0 ? "▼" : "▲"} ${Math.abs(100 * change).toFixed(2)} %`);
  node.dataset.falls = String(change < 0);
}

export const price = (cents: number) =>
  (cents / 100).toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export const clock = (milliseconds: number) =>
  new Date(milliseconds).toLocaleTimeString("en", { hour12: false, hourCycle: "h23" });
